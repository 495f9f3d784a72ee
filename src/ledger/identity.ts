/**
 * A queue belongs to one ledger. Workers on two ledgers would each use the whole quota, and neither
 * would know what the other sent. So each ledger has an id, made on first use and kept in its
 * backups, and the queue remembers it.
 */
import { randomUUID } from 'node:crypto';
import { ReaperError } from '../errors.js';
import { type Database, readColumn } from './database.js';

/** What the queue remembers. */
export interface LedgerMark {
  /** The id of the ledger that the queue belongs to; undefined: it knows none. */
  read(): Promise<string | undefined>;
  /** The same; a queue that knows none belongs to this ledger from now on. */
  claim(ledgerId: string): Promise<string>;
  /** Makes it belong to this ledger, whoever it belonged to. */
  set(ledgerId: string): Promise<void>;
}

const readSql = 'select id from room_reaper.ledger_id';

/** $1 id. Of several that make one at once the first counts. */
const makeSql = 'insert into room_reaper.ledger_id (id) values ($1) on conflict do nothing';

/** undefined: nobody has used it yet. */
export async function readLedgerId(database: Database): Promise<string | undefined> {
  return (await readColumn<string>(database, 'ledger-id', readSql, []))[0];
}

async function ledgerIdOf(database: Database): Promise<string> {
  const known = await readLedgerId(database);
  if (known !== undefined) return known;
  await database.query('ledger-id-make', makeSql, [randomUUID()]);
  const made = await readLedgerId(database);
  if (made === undefined) throw new Error('the id of the ledger was neither found nor made');
  return made;
}

/**
 * Where the queue knows no ledger, it belongs to this one from now on.
 *
 * @throws ReaperError `INVALID` where it belongs to another.
 */
export async function claimQueue(database: Database, mark: LedgerMark): Promise<void> {
  const ours = await ledgerIdOf(database);
  const theirs = await mark.claim(ours);
  if (theirs !== ours) throw otherLedger(theirs, ours);
}

/**
 * The same for who only reads: neither is marked.
 *
 * @throws ReaperError `INVALID` where the queue belongs to another ledger.
 */
export async function checkQueue(database: Database, mark: LedgerMark): Promise<void> {
  const [theirs, ours] = await Promise.all([mark.read(), readLedgerId(database)]);
  if (theirs !== undefined && theirs !== ours) throw otherLedger(theirs, ours);
}

/** Makes the queue belong to this ledger, on purpose. */
export async function adoptQueue(database: Database, mark: LedgerMark): Promise<void> {
  await mark.set(await ledgerIdOf(database));
}

function otherLedger(theirs: string, ours: string | undefined): ReaperError {
  const us = ours === undefined ? 'one that nobody has used yet' : shown(ours);
  return new ReaperError(
    'INVALID',
    `DATABASE_URL must lead to the ledger that the queue belongs to (${shown(theirs)}), got another (${us}): two ledgers would each use the whole quota; set it as the other workers have it`,
    { remedy: 'adopt_queue' },
  );
}

/** As people compare them. */
function shown(id: string): string {
  return `id ${id.slice(0, 8)}`;
}
