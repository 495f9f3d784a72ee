import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import type { Config } from '../config.js';
import { invalid } from '../errors.js';
import { printable } from '../redact.js';
import type { ReadCommand } from './check-request.js';
import { parseFaults, type Fault } from './faults.js';
import { checkWebhook, type WebhookOptions } from './webhook.js';
import { numberedRooms, parseRooms, readRoomsFile, type RoomWithFaults } from './rooms-file.js';

/**
 * Credentials of no real app, for demos: the defaults of the simulator, and what
 * `destroy --simulate` signs with. They open nothing.
 */
export const demoApp = {
  sdkAppId: 1_400_000_000,
  secretKey: 'room-reaper-demo-key-that-opens-nothing',
  adminIdentifier: 'administrator',
} as const;

export interface SimulatorOptions {
  /** 0 (the default) takes any free port. */
  port?: number;
  /** Default 127.0.0.1. The simulator speaks plain http: keep it to loopback or a private net. */
  host?: string;
  /** Default: the demo app. */
  sdkAppId?: number;
  secretKey?: string;
  /** Default `administrator`. */
  adminIdentifier?: string;
  /** A number N (rooms `room-000001` … ) or lines `ROOMID` / `ROOMID<TAB>FAULTS`. Default none. */
  rooms?: number | Iterable<string>;
  /** A file of such lines, besides `rooms`. */
  roomsFile?: string;
  /** Rooms not listed exist until they are destroyed. Default false. */
  anyRoom?: boolean;
  /** Requests in any sliding 1,000 ms before 60007; Infinity lifts it. Default 200. */
  quotaPerSecond?: number;
  /** The same for the commands that read; defaults 200, 100 and 10 as documented. */
  quotas?: Partial<Record<ReadCommand, number>>;
  /** Rooms created a second while it runs: `created-000001` … Default 0. */
  createPerSecond?: number;
  /** Each room is ended by the system within so many seconds (the seed draws when); 0, the default: never. */
  endAfterSeconds?: number;
  /** Every answer comes this much later. Default 0. */
  latencyMs?: number;
  /** Faults for all rooms (grammar: faults.ts), after those of the room. Default none. */
  faults?: readonly string[];
  /** Draws the shares of `faults` and of the webhook's, and how long rooms live. Default 1. */
  seed?: number;
  /** Where rooms that go are told. Default nowhere. */
  webhook?: WebhookOptions;
}

/** https://trtc.io/document/63404, https://trtc.io/document/80421, https://www.tencentcloud.com/document/product/1071/76888 */
const documentedQuotas = { get_room_info: 200, get_room_stats: 100, get_room_list: 10 };

/** Options with their defaults, checked, and the lists read. */
export interface Settings extends Required<
  Omit<SimulatorOptions, 'rooms' | 'roomsFile' | 'faults' | 'quotas' | 'webhook'>
> {
  webhook: WebhookOptions | undefined;
  quotas: Record<ReadCommand, number>;
  rooms: RoomWithFaults[];
  faults: Fault[];
}

/** @throws ReaperError `INVALID` for the first option that is wrong. */
export async function readOptions(options: SimulatorOptions): Promise<Settings> {
  const { port = 0, latencyMs = 0, quotaPerSecond = 200, seed = 1 } = options;
  const { createPerSecond = 0, endAfterSeconds = 0 } = options;
  const { sdkAppId, secretKey, adminIdentifier } = { ...demoApp, ...options };
  mustBeInteger('port', port, 0, 65_535);
  mustBeInteger('sdkAppId', sdkAppId, 1, 0xffff_ffff);
  mustBeInteger('latencyMs', latencyMs, 0, 3_600_000);
  mustBeInteger('seed', seed, 0, Number.MAX_SAFE_INTEGER);
  mustBeInteger('createPerSecond', createPerSecond, 0, 10_000);
  mustBeInteger('endAfterSeconds', endAfterSeconds, 0, 86_400);
  mustBeQuota('quotaPerSecond', quotaPerSecond);
  const quotas = { ...documentedQuotas, ...options.quotas };
  for (const [command, quota] of Object.entries(quotas)) mustBeQuota(`quota of ${command}`, quota);
  if (secretKey === '') {
    throw invalid('secretKey must be set, got nothing; leave it out for the demo');
  }
  if (options.webhook !== undefined) checkWebhook(options.webhook);
  const rooms = listRooms(options.rooms ?? 0);
  if (options.roomsFile !== undefined) {
    for (const entry of await readRoomsFile(options.roomsFile)) rooms.push(entry);
  }
  return {
    port,
    host: options.host ?? '127.0.0.1',
    sdkAppId,
    secretKey,
    adminIdentifier,
    rooms,
    anyRoom: options.anyRoom ?? false,
    quotaPerSecond,
    quotas,
    createPerSecond,
    endAfterSeconds,
    latencyMs,
    faults: readFaults(options.faults ?? []),
    seed,
    webhook: options.webhook,
  };
}

/**
 * Faults for all rooms.
 *
 * @throws ReaperError `INVALID` that lists every problem.
 */
export function readFaults(specs: readonly string[]): Fault[] {
  const parsed = specs.map((spec) => parseFaults(spec, 'service'));
  const problems = parsed.flatMap((each) => each.problems);
  if (problems.length > 0) throw invalid(problems.join('\n'));
  return parsed.flatMap((each) => each.faults);
}

/** The app that requests must be signed for; the demo app when the environment has none. */
export function readCredentials(env: NodeJS.ProcessEnv): {
  sdkAppId: number;
  secretKey: string;
  adminIdentifier?: string;
} {
  const sdkAppId = env['TENCENT_SDK_APP_ID'];
  const secretKey = env['TENCENT_SECRET_KEY'] || readSecretFile(env, 'TENCENT_SECRET_KEY_FILE');
  const admin = env['TENCENT_ADMIN_IDENTIFIER'];
  const adminIdentifier = admin ? { adminIdentifier: admin } : {};
  if (!sdkAppId && !secretKey) {
    return { sdkAppId: demoApp.sdkAppId, secretKey: demoApp.secretKey, ...adminIdentifier };
  }
  if (!sdkAppId || !secretKey) {
    const [set, missing] = sdkAppId
      ? ['TENCENT_SDK_APP_ID', 'TENCENT_SECRET_KEY']
      : ['TENCENT_SECRET_KEY', 'TENCENT_SDK_APP_ID'];
    throw invalid(
      `${missing} must be set where ${set} is, got nothing; set both, or neither for the demo app`,
    );
  }
  return { sdkAppId: readInteger('TENCENT_SDK_APP_ID', sdkAppId), secretKey, ...adminIdentifier };
}

/** What callbacks are signed with; undefined where the environment has none. */
export function readWebhookToken(env: NodeJS.ProcessEnv): string | undefined {
  return env['TENCENT_WEBHOOK_TOKEN'] || readSecretFile(env, 'TENCENT_WEBHOOK_TOKEN_FILE');
}

function readSecretFile(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const path = env[name];
  if (!path) return undefined;
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (cause) {
    throw invalid(`${name} must be a readable file, got ${printable(path)}; check its path`, {
      cause,
    });
  }
}

/** @throws ReaperError `INVALID` where it is none. */
export function readInteger(name: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw invalid(`${name} must be a whole number, got "${printable(text)}"; correct it`);
}

function listRooms(rooms: number | Iterable<string>): RoomWithFaults[] {
  if (typeof rooms === 'string') {
    throw invalid('rooms must be a number or a list, got text; see roomsFile');
  }
  if (typeof rooms !== 'number') return parseRooms(rooms, 'rooms');
  mustBeInteger('rooms', rooms, 0, 10_000_000);
  return Array.from(numberedRooms(rooms), (roomId) => ({ roomId, faults: [] }));
}

function mustBeQuota(name: string, value: number): void {
  if (value !== Number.POSITIVE_INFINITY) mustBeInteger(name, value, 1, 1_000_000);
}

function mustBeInteger(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  const rule = `a whole number from ${least} to ${most}`;
  throw invalid(`${name} must be ${rule}, got ${value}; correct it`);
}

/** For who tries it: a hundred thousand rooms, and any other. */
export const demoOptions = { ...demoApp, rooms: 100_000, anyRoom: true } as const;

/** The configuration of a run against a simulator, as {@link simulatedEnvironment} has its variables. */
export function simulatedConfig(config: Config, url: string): Config {
  return {
    ...config,
    ...{ sdkAppId: demoApp.sdkAppId, credentials: demoApp, endpoint: url },
    ...{ queueUrl: 'embedded', databaseUrl: 'embedded' },
    dataDir: join(config.dataDir, 'simulation'),
  };
}

/** The variables of a run against a simulator: nothing reaches Tencent, and no store that is in use. */
export function simulatedEnvironment(env: NodeJS.ProcessEnv, url: string): NodeJS.ProcessEnv {
  const others = [
    'TENCENT_SECRET_KEY_FILE',
    'TENCENT_WEBHOOK_TOKEN_FILE',
    'QUEUE_URL_FILE',
    'DATABASE_URL_FILE',
    'TENCENT_REGION',
  ];
  return {
    ...Object.fromEntries(others.map((name) => [name, ''])),
    ...{ TENCENT_SDK_APP_ID: String(demoApp.sdkAppId), TENCENT_SECRET_KEY: demoApp.secretKey },
    TENCENT_WEBHOOK_TOKEN: randomBytes(16).toString('hex'),
    ...{ TENCENT_ENDPOINT: url, TENCENT_ADMIN_IDENTIFIER: '' },
    ...{ QUEUE_URL: 'embedded', DATABASE_URL: 'embedded' },
    ROOM_REAPER_DATA_DIR: join(env['ROOM_REAPER_DATA_DIR'] || '.room-reaper', 'simulation'),
  };
}
