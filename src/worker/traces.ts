/**
 * Spans: one for each job, and in it one for each request to the API. No span holds a RoomId, a
 * signature or a key, nor what an answer says in its own words.
 *
 * Without an SDK (src/traces.ts) a job costs one span that does nothing, and a request not even that.
 * Names are those of OpenTelemetry where it has them:
 * https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span
 */
import {
  type Attributes,
  context,
  isSpanContextValid,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import type { Destruction } from '../destruction.js';
import type { DestroyJob } from '../queue/job.js';
import type { Answer } from '../tencent/answer.js';
import type { Verdict } from '../tencent/verdicts.js';
import type { SentRequest } from './send.js';
import { leavesQueue, type RunEnd } from './settle.js';
import { packageVersion } from './version.js';

/** Read when it is first needed: a bundle that never works on a room may lack our package.json. */
let version: string | undefined;
/** Asked for each time: one that is kept stays with the SDK that was there first. */
const tracer = () => trace.getTracer('room-reaper', (version ??= packageVersion()));

const jobSpan = {
  kind: SpanKind.CONSUMER,
  // It belongs to nothing that started the worker.
  root: true,
  attributes: {
    'messaging.system': 'bullmq',
    'messaging.operation.name': 'process',
    'messaging.operation.type': 'process',
  },
} as const;

/** Runs a job, in a span where somebody traces. */
export async function traceJob(
  { id, batchId }: Destruction,
  { queueName }: DestroyJob,
  run: () => Promise<RunEnd>,
): Promise<RunEnd> {
  const span = tracer().startSpan('room_reaper.destroy', jobSpan);
  if (!isSpanContextValid(span.spanContext())) return run();
  span.setAttributes({
    'messaging.destination.name': queueName,
    'messaging.message.id': id,
    ...(batchId === undefined ? {} : { 'room_reaper.batch_id': batchId }),
  });
  try {
    const end = await context.with(trace.setSpan(ROOT_CONTEXT, span), run);
    span.setAttribute('room_reaper.run_end', end.kind);
    if (end.kind === 'ended') span.setAttribute('room_reaper.outcome', end.outcome);
    const failure = failureOf(end);
    if (failure !== undefined) {
      // In words it may name the room: the log has them.
      span.setAttribute('error.type', failure);
      span.setStatus({ code: SpanStatusCode.ERROR });
    }
    return end;
  } finally {
    span.end();
  }
}

function failureOf(end: RunEnd): string | undefined {
  switch (end.kind) {
    case 'ended':
      return leavesQueue(end.outcome) ? undefined : end.outcome;
    case 'forged':
    case 'retry_later':
    case 'unsaved':
      return end.kind;
    case 'given_back':
    case 'put_off':
      return undefined;
    default:
      return end satisfies never;
  }
}

/** Tells of a request that was just answered, or never will be; in the span of its job. */
export function traceRequest(
  { url, attempt, answer, sentAtMs, endedAtMs }: SentRequest & { attempt?: number },
  { word, reason }: Verdict,
): void {
  const job = trace.getActiveSpan();
  if (job === undefined) return;
  const { hostname, port, protocol, pathname } = new URL(url);
  const attributes: Attributes = {
    'http.request.method': 'POST',
    'url.full': url,
    'server.address': hostname,
    'server.port': Number(port) || (protocol === 'https:' ? 443 : 80),
    ...(attempt === undefined ? {} : { 'room_reaper.attempt': attempt }),
    'room_reaper.verdict': word,
  };
  if ('httpStatus' in answer) attributes['http.response.status_code'] = answer.httpStatus;
  if (answer.kind === 'reply') attributes['room_reaper.error_code'] = answer.errorCode;
  const failed = word !== 'destroyed' && word !== 'gone';
  if (failed) attributes['error.type'] = errorTypeOf(answer);
  const now = Date.now();
  const span = tracer().startSpan(`POST ${pathname}`, {
    ...{ kind: SpanKind.CLIENT, attributes },
    // The attempt's own times are of another clock: the database's.
    startTime: now - Math.max(0, endedAtMs - sentAtMs),
  });
  if (failed) span.setStatus({ code: SpanStatusCode.ERROR, message: reason });
  span.end(now);
}

function errorTypeOf(answer: Answer): string {
  switch (answer.kind) {
    case 'reply':
      return String(answer.errorCode);
    case 'unreadable':
      return answer.httpStatus >= 400 ? String(answer.httpStatus) : 'unreadable';
    case 'timeout':
      return 'timeout';
    case 'network':
      return answer.code;
    default:
      return answer satisfies never;
  }
}
