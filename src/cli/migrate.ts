/** `room-reaper migrate`: bring the ledger to the version that this program works with. */
import { Command } from 'commander';
import { readConfig } from '../config.js';
import { migrate, migrateJson, type MigrateResult } from '../operations/migrate.js';
import { print, say, type Io } from './io.js';

const help = `
Examples:
  room-reaper migrate
  DATABASE_URL=postgres://owner@ledger/rooms room-reaper migrate --json
  room-reaper migrate --adopt-queue

Makes the tables of the ledger, and of a queue in Postgres, or brings them up to date; takes
as long as it takes, and says how far it is. The user of DATABASE_URL must own them. Workers of
an older program may be at work: they notice within a minute, finish what is in flight and end;
start the new ones then. Nothing is lost: the rooms wait on the queue.

A queue belongs to one ledger, which holds the rate of all its workers; with another one no
worker starts. --adopt-queue makes the queue of TENCENT_SDK_APP_ID belong to the ledger of
DATABASE_URL from now on. Stop all workers before: those on the ledger of before notice it
within a minute, and until then both send at the full rate.`;

export function migrateCommand(io: Io): Command {
  return new Command('migrate')
    .option('--adopt-queue', 'the queue belongs to this ledger from now on')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', help)
    .action(async ({ adoptQueue = false, ...flags }: { adoptQueue?: boolean; json?: boolean }) => {
      const config = readConfig(io.env, { app: adoptQueue, credentials: false });
      const result = await migrate(config, adoptQueue, (message) => say(io, message));
      print(io, flags.json ? JSON.stringify(migrateJson(result)) : toText(result));
    });
}

function toText({ ledger, queue, adopted }: MigrateResult): string {
  return [
    describe('the ledger', ledger),
    ...(queue === undefined ? [] : [describe('the queue', queue)]),
    ...(adopted ? ['the queue belongs to this ledger now; start the workers'] : []),
  ].join('\n');
}

function describe(what: string, { from, to }: MigrateResult['ledger']): string {
  if (from === undefined) return `${what} is made, at version ${to}`;
  return from === to
    ? `${what} is at version ${to} already`
    : `${what} is at version ${to} now; it was at ${from}`;
}
