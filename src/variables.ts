/** Every variable of the configuration: its check, its default, its meaning. src/config.ts reads them. */
import { z } from 'zod';
import { keyPrefixProblem, ledgerSchemes, queueSchemes, storeUrlProblem } from './store-url.js';
import { regions } from './tencent/endpoint.js';
import type { VariableName } from './variable-names.js';

const labelColours = ['red', 'orange', 'green', 'blue', 'purple', 'grey'];

const integer = (minimum: number, maximum: number) =>
  z
    .string()
    .regex(/^-?\d+$/, `must be a whole number from ${minimum} to ${maximum}`)
    .transform(Number)
    .refine((value) => value >= minimum && value <= maximum, {
      error: `must be from ${minimum} to ${maximum}`,
    });

const positiveNumber = (maximum: number) =>
  z
    .string()
    .regex(/^\d+(\.\d+)?$/, `must be a number above 0, at most ${maximum}`)
    .transform(Number)
    .refine((value) => value > 0 && value <= maximum, {
      error: `must be above 0, at most ${maximum}`,
    });

const storeUrl = (schemes: readonly string[]) =>
  z.string().superRefine((value, context) => {
    const message = storeUrlProblem(value, schemes);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });

const endpoint = z
  .string()
  .refine((value) => URL.canParse(value), { error: 'must be a URL such as https://host' })
  .refine(
    (value) => {
      if (!URL.canParse(value)) return true;
      const { protocol, hostname } = new URL(value);
      return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname));
    },
    { error: 'must be https:, or http: on a loopback address only' },
  )
  .refine(
    (value) => {
      if (!URL.canParse(value)) return true;
      const parsed = new URL(value);
      const { username, password, pathname } = parsed;
      return pathname === '/' && !/[?#]/.test(value) && !username && !password;
    },
    { error: 'must be a base URL without path, query or credentials' },
  );

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
/** Windows are counted in whole requests. */
const requestsPerSecond = positiveNumber(100_000).refine(
  (value) => value < 1 || Number.isInteger(value),
  { error: 'must be a whole number, or less than 1' },
);

/** The default is in the form a user would write. */
export const variables = {
  TENCENT_SDK_APP_ID: {
    schema: integer(1, 4_294_967_295),
    meaning: 'SDKAppID, an integer',
  },
  TENCENT_SECRET_KEY: {
    schema: z.string().min(1),
    meaning: 'key that signs UserSigs',
  },
  TENCENT_SECRET_KEY_FILE: {
    schema: z.string(),
    meaning: 'file that holds the key, instead of TENCENT_SECRET_KEY',
  },
  TENCENT_ADMIN_IDENTIFIER: {
    schema: z.string().max(64, 'must be at most 64 characters'),
    fallback: 'administrator',
    meaning: 'app admin account',
  },
  TENCENT_REGION: {
    schema: z.enum(regions, { error: `must be one of ${regions.join(', ')}` }),
    fallback: 'china',
    meaning: regions.map((region) => `\`${region}\``).join(', '),
  },
  TENCENT_ENDPOINT: {
    schema: endpoint,
    meaning: "base URL instead of the region's; `https:` or, for loopback only, `http:`",
  },
  TENCENT_WEBHOOK_TOKEN: {
    schema: z
      .string()
      .regex(/^[!-~]{1,128}$/, 'must be 1 to 128 characters of ASCII without spaces'),
    meaning: 'token that signs what the API tells `serve` of rooms that end, as set in its console',
  },
  TENCENT_WEBHOOK_TOKEN_FILE: {
    schema: z.string(),
    meaning: 'file that holds it, instead of TENCENT_WEBHOOK_TOKEN',
  },
  QUEUE_URL: {
    schema: storeUrl(queueSchemes),
    fallback: 'embedded',
    meaning:
      '`redis://`, `redis-sentinel://…#NAME`, `redis-cluster://` (with TLS `rediss…`), `postgres://`, `embedded`',
  },
  QUEUE_URL_FILE: {
    schema: z.string(),
    meaning: 'file that holds it, instead of QUEUE_URL',
  },
  QUEUE_PREFIX: {
    schema: z.string().superRefine((value, context) => {
      const message = keyPrefixProblem(value);
      if (message !== undefined) context.addIssue({ code: 'custom', message });
    }),
    fallback: 'bull',
    meaning: 'what the keys of the queue begin with in Redis; on a cluster it gets braces',
  },
  DATABASE_URL: {
    schema: storeUrl(ledgerSchemes),
    fallback: 'embedded',
    meaning: 'ledger: `postgres://`, `embedded`',
  },
  DATABASE_URL_FILE: {
    schema: z.string(),
    meaning: 'file that holds it, instead of DATABASE_URL',
  },
  ROOM_REAPER_DATA_DIR: {
    schema: z.string().min(1),
    fallback: '.room-reaper',
    meaning: 'where the embedded default keeps its data',
  },
  RATE_LIMIT_PER_SECOND: {
    schema: requestsPerSecond,
    fallback: '200',
    meaning: "the API's quota for this app",
  },
  STATS_RATE_LIMIT_PER_SECOND: {
    schema: requestsPerSecond,
    fallback: '100',
    meaning: "the API's quota for get_room_stats, which a snapshot asks",
  },
  ARRIVAL_JITTER_MS: {
    schema: integer(0, 1_000),
    fallback: '20',
    meaning: 'by how much the time from slot to arrival may vary',
  },
  WORKER_CONCURRENCY: {
    schema: integer(1, 10_000),
    fallback: '100',
    meaning: 'most rooms in hand in one worker',
  },
  REQUEST_TIMEOUT_MS: {
    schema: integer(100, 600_000),
    fallback: '8000',
    meaning: 'one attempt, whole',
  },
  DESTROY_DEADLINE_HOURS: {
    schema: positiveNumber(24 * 365),
    fallback: '24',
    meaning: 'a destruction not begun by then expires',
  },
  LATER_RETRIES: {
    schema: integer(0, 1_000),
    fallback: '8',
    meaning: 'how often a room that keeps failing is tried again later, before it is `failed`',
  },
  FAILED_JOBS_DAYS: {
    schema: integer(1, 3_650),
    fallback: '14',
    meaning: "how long what failed stays in BullMQ's failed set",
  },
  PROTECTED_ROOMS_FILE: {
    schema: z.string(),
    meaning: 'file of rooms that are never destroyed: one RoomId or `*` pattern a line',
  },
  SERVE_HOST: {
    schema: z.string().regex(/^[\w.:-]+$/, 'must be an address or a name of this machine'),
    fallback: '127.0.0.1',
    meaning: 'where `serve` listens; beyond this machine it wants a token',
  },
  SERVE_PORT: {
    schema: integer(0, 65_535),
    fallback: '8700',
    meaning: 'its port; 0 takes a free one',
  },
  SERVE_BASE_PATH: {
    schema: z
      .string()
      .regex(/^\/(?:[\w.~-]+\/?)*$/, 'must be a path such as /reaper')
      .refine((value) => !value.split('/').some((part) => /^\.+$/.test(part)), {
        error: 'must be a path such as /reaper',
      }),
    fallback: '/',
    meaning: 'what its paths begin with behind a proxy',
  },
  SERVE_ALLOWED_HOSTS: {
    schema: z
      .string()
      .transform((value) =>
        value
          .toLowerCase()
          .split(/[\s,]+/)
          .filter(Boolean),
      )
      .refine((names) => names.every((name) => /^[a-z0-9_.-]+$/.test(name)), {
        error: 'must be names of hosts, without ports, separated by commas',
      }),
    meaning: 'names in the `Host` header that it serves, besides addresses and localhost',
  },
  SERVE_TOKENS_FILE: {
    schema: z.string(),
    meaning: 'file of tokens, instead of those in the ledger: lines of `NAME ROLE TOKEN`',
  },
  SERVE_LABEL: {
    schema: z
      .string()
      .regex(
        new RegExp(`^[^:\\p{Cc}]{1,40}(?::(?:${labelColours.join('|')}))?$`, 'u'),
        `must be up to 40 characters, with a colour behind a colon if you like: production:red (${labelColours.join(', ')})`,
      )
      .transform((value) => {
        const [text = '', colour = 'grey'] = value.split(':');
        return { text, colour };
      }),
    meaning: 'what the dashboard says above all, such as `production:red`',
  },
  NOTIFY_URL: {
    schema: z
      .string()
      .refine((value) => URL.canParse(value) && /^https?:$/.test(new URL(value).protocol), {
        error: 'must be a URL such as https://host/path',
      })
      .refine((value) => !URL.canParse(value) || new URL(value).username === '', {
        error: 'must be without a user and a password; the receiver knows us by the signature',
      }),
    meaning: 'where `serve` sends events (Standard Webhooks)',
  },
  NOTIFY_SECRET: {
    schema: z
      .string()
      .regex(
        /^whsec_(?:[A-Za-z0-9+/]{4}){8,21}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/,
        'must be whsec_ with 24 to 64 random bytes as base64 behind it: echo "whsec_$(openssl rand -base64 32)"',
      ),
    meaning: 'secret that signs them: `whsec_` and 24 to 64 bytes as base64',
  },
  NOTIFY_SECRET_FILE: {
    schema: z.string(),
    meaning: 'file that holds it, instead of NOTIFY_SECRET',
  },
  METRICS_PORT: {
    schema: integer(1, 65_535),
    meaning: 'port of `/metrics`, `/livez` and `/readyz`, of `worker` and `serve`',
  },
  WORKER_METRICS_PORT: {
    schema: integer(1, 65_535),
    meaning: 'the same of the worker of `serve --with-worker`, which is a process of its own',
  },
  LOG_LEVEL: {
    schema: z.enum(logLevels, { error: `must be one of ${logLevels.join(', ')}` }),
    fallback: 'info',
    meaning: 'pino level',
  },
} as const satisfies Record<
  VariableName,
  { schema: z.ZodType; fallback?: string; meaning: string }
>;

/** Name, default and meaning of every variable, for help and docs. */
export const variableTable: readonly { name: string; fallback?: string; meaning: string }[] =
  Object.entries(variables).map(([name, variable]) => ({
    name,
    meaning: variable.meaning,
    ...('fallback' in variable ? { fallback: variable.fallback } : {}),
  }));
