/** The variables of the configuration by name alone: src/variables.ts has what they mean. */

export const variableNames = [
  'TENCENT_SDK_APP_ID',
  'TENCENT_SECRET_KEY',
  'TENCENT_SECRET_KEY_FILE',
  'TENCENT_ADMIN_IDENTIFIER',
  'TENCENT_REGION',
  'TENCENT_ENDPOINT',
  'TENCENT_WEBHOOK_TOKEN',
  'TENCENT_WEBHOOK_TOKEN_FILE',
  'QUEUE_URL',
  'QUEUE_URL_FILE',
  'QUEUE_PREFIX',
  'DATABASE_URL',
  'DATABASE_URL_FILE',
  'ROOM_REAPER_DATA_DIR',
  'RATE_LIMIT_PER_SECOND',
  'STATS_RATE_LIMIT_PER_SECOND',
  'ARRIVAL_JITTER_MS',
  'WORKER_CONCURRENCY',
  'REQUEST_TIMEOUT_MS',
  'DESTROY_DEADLINE_HOURS',
  'LATER_RETRIES',
  'FAILED_JOBS_DAYS',
  'PROTECTED_ROOMS_FILE',
  'SERVE_HOST',
  'SERVE_PORT',
  'SERVE_BASE_PATH',
  'SERVE_ALLOWED_HOSTS',
  'SERVE_TOKENS_FILE',
  'SERVE_LABEL',
  'NOTIFY_URL',
  'NOTIFY_SECRET',
  'NOTIFY_SECRET_FILE',
  'METRICS_PORT',
  'WORKER_METRICS_PORT',
  'LOG_LEVEL',
] as const;

export type VariableName = (typeof variableNames)[number];

/** A name that is nearly one of ours, where ours is not set, is a typing error that would be silently ignored. */
export function nearMisses(
  environment: Readonly<Record<string, string | undefined>>,
): { name: string; problem: string }[] {
  return Object.keys(environment).flatMap((name) => {
    if (variableNames.some((known) => known === name)) return [];
    const meant = variableNames.find((known) => !environment[known] && withinTwoEdits(name, known));
    const problem = `${name} is not a known variable; did you mean ${String(meant)}?`;
    return meant === undefined ? [] : [{ name, problem }];
  });
}

function withinTwoEdits(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 2 || a.length < 8) return false;
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const substitution = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(
        Math.min(substitution, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1),
      );
    }
    previous = current;
  }
  return (previous[b.length] ?? 3) <= 2;
}
