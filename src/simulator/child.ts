/**
 * The other side of fork.ts: a simulator in a process of its own.
 *
 * It lives exactly as long as the connection to its parent. Ctrl-C, a supervisor's SIGTERM
 * and the SIGHUP of a closed terminal reach the whole process group, but the parent still has requests in flight then
 * and wants the report: so signals are left to the parent.
 */
import { ReaperError } from '../errors.js';
import type { ChildReply, ChildRequest } from './fork.js';
import { startSimulator, type Simulator } from './simulator.js';

let simulator: Simulator | undefined;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.on('disconnect', () => process.exit(0));
process.on('message', (request: ChildRequest) => {
  answer(request).then(
    (reply) => process.send?.(reply),
    (error: unknown) => process.send?.(refusalOf(error)),
  );
});

async function answer(request: ChildRequest): Promise<ChildReply> {
  if (request.type === 'start') {
    simulator = await startSimulator(request.options);
    return { type: 'started', url: simulator.url };
  }
  if (simulator === undefined) throw new Error('the first message must be start');
  switch (request.type) {
    case 'report':
      return { type: 'report', report: simulator.report() };
    case 'arrivals':
      return { type: 'arrivals', times: simulator.arrivals() };
    case 'fault':
      simulator.setFault(request.spec);
      return { type: 'done' };
    case 'webhook':
      simulator.setWebhook(request.webhook);
      return { type: 'done' };
  }
}

function refusalOf(error: unknown): ChildReply {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof ReaperError ? error.code : 'UNAVAILABLE';
  return { type: 'refused', code, message };
}
