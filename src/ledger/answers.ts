/** First answers, by the keys of those who asked: asked again, they are given again. */
import type { Database } from './database.js';

export interface AnswerKey {
  sdkAppId: number;
  token: string;
  key: string;
}

/** How long a request may take before another may do it again, in seconds. */
const claimSeconds = 120;

/**
 * $1 SDKAppID, $2 token, $3 key, $4 fingerprint, $5 subject, $6 seconds to keep it. Takes the key
 * where it is free, or was left by a request that was broken off; changes nothing else.
 */
const claimSql = `
insert into room_reaper.answers as a (sdk_app_id, token, key, fingerprint, subject, claimed_until, keep_until)
values ($1, $2, $3, $4, $5, clock_timestamp() + ${claimSeconds} * interval '1 second',
        clock_timestamp() + $6::float8 * interval '1 second')
on conflict (sdk_app_id, token, key) do update
   set fingerprint = $4, claimed_until = excluded.claimed_until, keep_until = excluded.keep_until,
       subject = case when a.keep_until < clock_timestamp() then $5 else a.subject end,
       status = null, body = null
 where a.keep_until < clock_timestamp()
    or a.status is null and a.claimed_until < clock_timestamp() and a.fingerprint = $4
returning subject`;

/** $1 SDKAppID, $2 token, $3 key. */
const readSql = `
select fingerprint, status, body from room_reaper.answers where sdk_app_id = $1 and token = $2 and key = $3`;

/** What a key stands for: to be done now, under `subject`; done; under way; or another request. */
export type Claim =
  | { kind: 'mine'; subject: string }
  | { kind: 'answered'; status: number; body: string }
  | { kind: 'under_way' }
  | { kind: 'other' };

export async function claimAnswer(
  database: Database,
  { sdkAppId, token, key }: AnswerKey,
  request: { fingerprint: string; subject: string; keepSeconds: number },
): Promise<Claim> {
  const { fingerprint, subject, keepSeconds } = request;
  const place = [sdkAppId, token, key];
  const [taken] = await database.query<{ subject: string }>('answer-claim', claimSql, [
    ...place,
    ...[fingerprint, subject, keepSeconds],
  ]);
  if (taken !== undefined) return { kind: 'mine', subject: taken.subject };
  const [found] = await database.query<{
    fingerprint: string;
    status: number | null;
    body: string | null;
  }>('answer-read', readSql, place);
  if (found === undefined) return { kind: 'under_way' };
  if (found.fingerprint !== fingerprint) return { kind: 'other' };
  if (found.status === null) return { kind: 'under_way' };
  return { kind: 'answered', status: found.status, body: found.body ?? '' };
}

/** $1 SDKAppID, $2 token, $3 key, $4 status, $5 body. */
const writeSql = `
update room_reaper.answers set status = $4, body = $5 where sdk_app_id = $1 and token = $2 and key = $3`;

export async function writeAnswer(
  database: Database,
  { sdkAppId, token, key }: AnswerKey,
  { status, body }: { status: number; body: string },
): Promise<void> {
  await database.query('answer-write', writeSql, [sdkAppId, token, key, status, body]);
}

/** $1 SDKAppID, $2 token, $3 key. */
const releaseSql = `
update room_reaper.answers set claimed_until = '-infinity'
 where sdk_app_id = $1 and token = $2 and key = $3 and status is null`;

/** It failed and may have been done in part: done again, it has the same subject. */
export async function releaseAnswer(
  database: Database,
  { sdkAppId, token, key }: AnswerKey,
): Promise<void> {
  await database.query('answer-release', releaseSql, [sdkAppId, token, key]);
}

/** $1 SDKAppID, $2 token, $3 key. */
const forgetSql = `
delete from room_reaper.answers where sdk_app_id = $1 and token = $2 and key = $3 and status is null`;

/** It was refused: nothing was done, and the key is free. */
export async function forgetAnswer(
  database: Database,
  { sdkAppId, token, key }: AnswerKey,
): Promise<void> {
  await database.query('answer-forget', forgetSql, [sdkAppId, token, key]);
}

/** No parameters. */
const pruneSql = `delete from room_reaper.answers where keep_until < clock_timestamp()`;

export async function pruneAnswers(database: Database): Promise<void> {
  await database.query('answers-prune', pruneSql, []);
}
