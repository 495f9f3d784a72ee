import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { ReaperError, type ErrorCode } from '../errors.js';
import { compiledFile } from '../own-file.js';
import type { SimulatorOptions } from './simulator-options.js';
import type { SimulatorReport } from './simulator-report.js';
import type { WebhookOptions } from './webhook.js';

/** Options that can be sent to another process: as SimulatorOptions, rooms as a list. */
export type ForkOptions = Omit<SimulatorOptions, 'rooms'> & { rooms?: number | readonly string[] };

/** The first message must be `start`; each request is answered once, in order. */
export type ChildRequest =
  | { type: 'start'; options: ForkOptions }
  | { type: 'report' }
  | { type: 'arrivals' }
  | { type: 'fault'; spec: string | undefined }
  | { type: 'webhook'; webhook: WebhookOptions | undefined };

export type ChildReply =
  | { type: 'started'; url: string }
  | { type: 'report'; report: SimulatorReport }
  | { type: 'arrivals'; times: Float64Array }
  | { type: 'done' }
  | { type: 'refused'; code: ErrorCode; message: string };

/**
 * Starts a simulator in a process of its own, so that it does not share the worker's event
 * loop: what it says about arrivals is then not blurred by the work it watches.
 *
 * It ends with close() or with this process, whichever comes first, and takes no notice of
 * signals.
 *
 * @throws ReaperError `INVALID` for wrong options, `UNAVAILABLE` where it cannot start.
 */
export async function forkSimulator(options: ForkOptions = {}) {
  const child = fork(fileURLToPath(compiledFile('simulator/child.js', import.meta.url)), [], {
    execArgv: [],
    // The report holds a Float64Array and the quota may be Infinity: JSON has neither.
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const ask = conversation(child);
  try {
    const { url } = await ask({ type: 'start', options }, 'started');
    return {
      url,
      report: async () => (await ask({ type: 'report' }, 'report')).report,
      /** The newest arrivals, ms since the first of all. */
      arrivals: async () => (await ask({ type: 'arrivals' }, 'arrivals')).times,
      /** As Simulator.setFault. */
      setFault: async (spec: string | undefined): Promise<void> => {
        await ask({ type: 'fault', spec }, 'done');
      },
      /** As Simulator.setWebhook. */
      setWebhook: async (webhook: WebhookOptions | undefined): Promise<void> => {
        await ask({ type: 'webhook', webhook }, 'done');
      },
      /** Resolves when the process is gone. */
      close: () => end(child),
    };
  } catch (error) {
    await end(child);
    throw error;
  }
}

export type ForkedSimulator = Awaited<ReturnType<typeof forkSimulator>>;

type Ask = <Type extends ChildReply['type']>(
  request: ChildRequest,
  expected: Type,
) => Promise<Extract<ChildReply, { type: Type }>>;

/** Requests are answered in order, so a queue of those who wait is all it takes. */
function conversation(child: ChildProcess): Ask {
  const waiting: { settle: (reply: ChildReply) => void; fail: (error: Error) => void }[] = [];
  let gone: ReaperError | undefined;
  const lose = (why: string): void => {
    gone ??= new ReaperError('UNAVAILABLE', `simulator process must run, got ${why}; start again`);
    for (const { fail } of waiting.splice(0)) fail(gone);
  };
  child.on('message', (reply: ChildReply) => waiting.shift()?.settle(reply));
  child.on('exit', (code, signal) => lose(`its end (${signal ?? `exit code ${code ?? 0}`})`));
  child.on('error', (error) => lose(error.message));

  return (request, expected) =>
    new Promise((resolve, reject) => {
      if (gone) {
        reject(gone);
        return;
      }
      const settle = (reply: ChildReply): void => {
        if (reply.type === expected) resolve(reply as Extract<ChildReply, { type: never }>);
        else if (reply.type === 'refused') reject(new ReaperError(reply.code, reply.message));
        else reject(new Error(`the child must answer ${expected}, got ${reply.type}`));
      };
      waiting.push({ settle, fail: reject });
      child.send(request);
    });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  if (child.connected) child.disconnect();
  await exited;
}
