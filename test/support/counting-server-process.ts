/**
 * The process of the counting servers (counting-server.ts forks it). It shares no code with
 * src/: what it finds is evidence about src/, also about its stand-in API.
 */
import type { FromServer, ToServer } from './counting-server.js';
import { type Instance, openInstance } from './counting-server-instance.js';

const instances = new Map<number, Instance>();

function tell(message: FromServer): void {
  process.send?.(message);
}

async function obey(message: ToServer): Promise<void> {
  const { id, server } = message;
  if (message.type === 'open') {
    const opened = await openInstance(message.options);
    instances.set(server, opened);
    tell({ type: 'listening', id, port: opened.port });
    return;
  }
  const instance = instances.get(server);
  // A question that was on its way while its server was closed.
  if (instance === undefined) return;
  const done = () => tell({ type: 'done', id });
  switch (message.type) {
    case 'report':
      tell({ type: 'report', id, report: instance.report() });
      return;
    case 'ends':
      tell({ type: 'ends', id, ends: instance.ends(message.from) });
      return;
    case 'reach':
      instance.whenReached(message.command, message.count, done);
      return;
    case 'quota':
      instance.setQuota(message.command, message.perSecond);
      break;
    case 'faults':
      instance.setFaults(message.command, message.faults);
      break;
    case 'invalidate':
      instance.invalidateSignatures();
      break;
    case 'recreate':
      instance.recreate(message.roomId, message.atMs);
      break;
    case 'end':
      instance.end(message.roomId);
      break;
    case 'close':
      instance.close();
      instances.delete(server);
      break;
    default:
      message satisfies never;
  }
  done();
}

process.on('message', (message: ToServer) => void obey(message));
process.on('disconnect', () => process.exit(0));
// A Ctrl-C on the terminal reaches the whole group: the test run ends this process.
process.on('SIGINT', () => undefined);
