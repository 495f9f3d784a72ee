import { invalid } from '../errors.js';
import { printable } from '../redact.js';
import { readCommands } from './check-request.js';
import { readInteger, readWebhookToken, type SimulatorOptions } from './simulator-options.js';

/** As `room-reaper simulator` takes them. */
export interface SimulatorFlags {
  port: string;
  host: string;
  rooms?: string;
  anyRoom?: boolean;
  latency: string;
  quota?: string[];
  createPerSecond: string;
  endAfter?: string;
  fault?: string[];
  webhook?: string;
  webhookToken?: string;
  webhookFault?: string[];
  seed: string;
  json?: boolean;
}

/**
 * Flags to options.
 *
 * @param env - has the token of the webhook, which stands in no list of processes there.
 * @throws ReaperError `INVALID` where one is wrong.
 */
export function readFlags(flags: SimulatorFlags, env: NodeJS.ProcessEnv): SimulatorOptions {
  const options: SimulatorOptions = {
    port: readInteger('--port', flags.port),
    host: flags.host,
    latencyMs: readInteger('--latency', flags.latency),
    ...readQuotas(flags.quota ?? []),
    createPerSecond: readInteger('--create-per-second', flags.createPerSecond),
    ...(flags.endAfter !== undefined && {
      endAfterSeconds: readInteger('--end-after', flags.endAfter),
    }),
    faults: flags.fault ?? [],
    ...readWebhook(flags, env),
    seed: readInteger('--seed', flags.seed),
    anyRoom: flags.anyRoom ?? flags.rooms === undefined,
  };
  if (flags.rooms === undefined) return options;
  return /^\d+$/.test(flags.rooms)
    ? { ...options, rooms: Number(flags.rooms) }
    : { ...options, roomsFile: flags.rooms };
}

function readWebhook(
  { webhook: url, webhookToken, webhookFault: faults = [] }: SimulatorFlags,
  env: NodeJS.ProcessEnv,
): SimulatorOptions {
  if (url === undefined) {
    if (webhookToken === undefined && faults.length === 0) return {};
    throw invalid('--webhook must say where callbacks are posted, got nothing; give its URL');
  }
  const token = webhookToken ?? readWebhookToken(env);
  return { webhook: { url, faults, ...(token !== undefined && { token }) } };
}

/** `200`, `none`, `get_room_stats=50`: of destroy_room where no command is named. */
function readQuotas(specs: readonly string[]): SimulatorOptions {
  const options: SimulatorOptions = {};
  for (const spec of specs) {
    const [, name, text = ''] = /^(?:([^=]*)=)?(.*)$/.exec(spec) ?? [];
    const quota = text === 'none' ? Number.POSITIVE_INFINITY : readInteger('--quota', text);
    const command = readCommands.find((each) => each === name);
    if (command !== undefined) options.quotas = { ...options.quotas, [command]: quota };
    else if (name === undefined || name === 'destroy_room') options.quotaPerSecond = quota;
    else {
      const known = ['destroy_room', ...readCommands].join(', ');
      throw invalid(`--quota must name one of ${known}, got "${printable(name)}"; correct it`);
    }
  }
  return options;
}
