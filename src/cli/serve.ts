/** `room-reaper serve`. */
import { Command } from 'commander';
import { inspectConfig, readConfig } from '../config.js';
import { logOn } from '../log.js';
import { packageVersion } from '../worker/version.js';
import { onInterrupt } from './interrupt.js';
import { say, type Io } from './io.js';

const help = `
Examples:
  room-reaper token create --name shop --role producer
  room-reaper serve
  curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8700/v1/status

It answers over HTTP what the commands answer here, and works on no room: that is for
workers. SIGTERM, SIGINT or SIGHUP: what is under way is answered within ten seconds, exit 0.`;

export function serveCommand(io: Io): Command {
  return new Command('serve')
    .option('--host <HOST>', 'where it listens; default: SERVE_HOST, or 127.0.0.1')
    .option('--port <N>', 'its port, 0 for a free one; default: SERVE_PORT, or 8700')
    .addHelpText('after', help)
    .action(async ({ host, port }: { host?: string; port?: string }) => {
      const flags = { ...(host && { SERVE_HOST: host }), ...(port && { SERVE_PORT: port }) };
      const env: NodeJS.ProcessEnv = { ...io.env, ...flags };
      const config = readConfig(env, { app: true, credentials: false });
      // The doctor looks at a key where there is one; the server needs none.
      const hasKey = Boolean(env['TENCENT_SECRET_KEY'] || env['TENCENT_SECRET_KEY_FILE']);
      const inspected = inspectConfig(env, { app: true, credentials: hasKey });
      // With its packages: other commands go without them.
      const { startServer } = await import('../server/server.js');
      const log = logOn(io.stderr, config.logLevel, io.env);
      const interrupt = onInterrupt();
      try {
        const server = await startServer(config, {
          ...{ log, inspected, version: packageVersion() },
          onNotice: (message) => say(io, message),
        });
        say(io, `serves ${server.url}`);
        await interrupt.interrupted;
        log.info('stopping: answering what is under way');
        await server.close();
      } finally {
        interrupt.dispose();
      }
    });
}
