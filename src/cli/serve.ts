/** `room-reaper serve`. */
import { Command } from 'commander';
import { inspectConfig, readConfig } from '../config.js';
import { logOn } from '../log.js';
import { packageVersion } from '../worker/version.js';
import { forkSimulator, type ForkedSimulator } from '../simulator/fork.js';
import { demoOptions, simulatedEnvironment } from '../simulator/simulator-options.js';
import { forkWorker, type WorkerProcess } from '../worker/fork.js';
import { onInterrupt } from './interrupt.js';
import { exitCodes, say, type Io } from './io.js';

const help = `
Examples:
  room-reaper token create --name shop --role producer
  room-reaper serve
  room-reaper serve --simulate      to try it
  curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8700/v1/status

It answers over HTTP what the commands answer here, and works on no room: that is for
workers, or for --with-worker. SIGTERM, SIGINT or SIGHUP: what is under way is answered within ten seconds, exit 0.`;

interface ServeFlags {
  host?: string;
  port?: string;
  withWorker?: boolean;
  simulate?: boolean;
}

export function serveCommand(io: Io): Command {
  return new Command('serve')
    .option('--host <HOST>', 'where it listens; default: SERVE_HOST, or 127.0.0.1')
    .option('--port <N>', 'its port, 0 for a free one; default: SERVE_PORT, or 8700')
    .option('--with-worker', 'and work on the rooms, in a process of its own')
    .option('--simulate', 'the same against a stand-in API, with data of its own; no credentials')
    .addHelpText('after', help)
    .action(async ({ host, port, simulate = false, withWorker = simulate }: ServeFlags) => {
      const flags = { ...(host && { SERVE_HOST: host }), ...(port && { SERVE_PORT: port }) };
      const simulator = simulate ? await forkSimulator(demoOptions) : undefined;
      const simulated = simulator && simulatedEnvironment(io.env, simulator.url);
      try {
        await serve(io, { ...io.env, ...flags, ...simulated }, { withWorker, simulator });
      } finally {
        await simulator?.close();
      }
    });
}

async function serve(
  io: Io,
  env: NodeJS.ProcessEnv,
  { withWorker, simulator }: { withWorker: boolean; simulator: ForkedSimulator | undefined },
): Promise<void> {
  const needed = readConfig(env, { app: true, credentials: withWorker });
  // The server needs no key; where there is one, the doctor looks at it, and live rooms are listed.
  const hasKey = Boolean(env['TENCENT_SECRET_KEY'] || env['TENCENT_SECRET_KEY_FILE']);
  const inspected = inspectConfig(env, { app: true, credentials: hasKey });
  const { credentials, proxy } = inspected.config;
  const config = { ...needed, credentials, proxy };
  // With its packages: other commands go without them.
  const { startServer } = await import('../server/server.js');
  const log = logOn(io.stderr, config.logLevel, io.env);
  const interrupt = onInterrupt(io);
  let worker: WorkerProcess | undefined;
  try {
    const server = await startServer(config, {
      ...{ log, inspected, version: packageVersion(), makesToken: simulator !== undefined },
      // It signs in whoever reads it: a service manager would keep it in its journal.
      showsLink: simulator !== undefined || io.stderr.isTTY === true,
      onNotice: (message) => say(io, message),
    });
    // As the console of an app does: rooms that go are told to this server.
    const webhook = { url: `${server.url}/webhooks/tencent`, token: config.webhookToken ?? '' };
    await simulator?.setWebhook(webhook);
    if (withWorker) worker = forkWorker(env, config.workerMetricsPort);
    say(io, `serves ${server.url}`);
    if (server.signInUrl !== undefined) say(io, sayHowToSignIn(server.signInUrl));
    if (server.token !== undefined) say(io, sayHowToTry(server.url, server.token));
    const ended = await Promise.race([
      interrupt.interrupted,
      worker?.ended ?? new Promise(() => 0),
    ]);
    log.info('stopping: answering what is under way');
    await server.close(worker?.end());
    if (ended !== undefined) io.exitCode = Number(ended) || exitCodes.notGone;
  } finally {
    await worker?.end();
    interrupt.dispose();
  }
}

function sayHowToSignIn(url: string): string {
  return `sign a browser in, once within ten minutes (after that, start it again): ${url}`;
}

function sayHowToTry(url: string, token: string): string {
  return `try it: curl -H "Authorization: Bearer ${token}" -H 'Content-Type: application/json' -d '{"rooms":["room-000001","room-000002"]}' ${url}/v1/batches`;
}
