import type { SharedSession } from './shared-session.js';
import { queryMessage, textRows } from './wire.js';

/**
 * What the background processes of a Postgres server do, and PGlite has none of:
 * without it the queue's tables fill with dead rows, plans go by the statistics of
 * empty tables, and the WAL grows until the database is closed (a crash before that
 * would replay all of it). Everyone waits meanwhile, so each step is a small one.
 */
const roundMs = 5_000;

/** Like autovacuum's rule, with a higher floor: small tables are scanned fast anyway. */
const needsVacuum = queryMessage(`
  select format('%I.%I', schemaname, relname)
  from pg_stat_user_tables
  where n_dead_tup > 1000 + 0.2 * n_live_tup or n_mod_since_analyze > 1000 + 0.2 * n_live_tup
  order by n_dead_tup + n_mod_since_analyze desc
  limit 1`);

/** Whether more than 64 MB of WAL would have to be replayed after a crash. */
const needsCheckpoint = queryMessage(`
  select 1 from pg_control_checkpoint()
  where pg_wal_lsn_diff(pg_current_wal_insert_lsn(), redo_lsn) > 64 * 1024 * 1024`);

/** @returns what stops it. */
export function startMaintenance(session: SharedSession, everyMs = roundMs): () => void {
  const round = async (): Promise<void> => {
    const table = textRows(await session.run(needsVacuum))[0]?.[0];
    if (table !== undefined) await session.run(queryMessage(`vacuum (analyze) ${table}`));
    if (textRows(await session.run(needsCheckpoint)).length > 0) {
      await session.run(queryMessage('checkpoint'));
    }
    timer = setTimeout(() => void round(), everyMs);
  };
  let timer = setTimeout(() => void round(), everyMs);
  return () => clearTimeout(timer);
}
