/** `room-reaper migrate`: bring the ledger to the version that this program works with. */
import { Command } from 'commander';
import { readConfig } from '../config.js';
import { migrate, migrateJson, type MigrateResult } from '../operations/migrate.js';
import { print, say, type Io } from './io.js';

const help = `
Examples:
  room-reaper migrate
  DATABASE_URL=postgres://owner@ledger/rooms room-reaper migrate --json

Makes the tables of the ledger, and of a queue in Postgres, or brings them up to date; takes
as long as it takes, and says how far it is. The user of DATABASE_URL must own them. Workers of
an older program may be at work: they notice within a minute, finish what is in flight and end;
start the new ones then. Nothing is lost: the rooms wait on the queue.`;

export function migrateCommand(io: Io): Command {
  return new Command('migrate')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', help)
    .action(async (flags: { json?: boolean }) => {
      const config = readConfig(io.env, { app: false, credentials: false });
      const result = await migrate(config, (message) => say(io, message));
      print(io, flags.json ? JSON.stringify(migrateJson(result)) : toText(result));
    });
}

function toText({ ledger, queue }: MigrateResult): string {
  return [
    describe('the ledger', ledger),
    ...(queue === undefined ? [] : [describe('the queue', queue)]),
  ].join('\n');
}

function describe(what: string, { from, to }: MigrateResult['ledger']): string {
  if (from === undefined) return `${what} is made, at version ${to}`;
  return from === to
    ? `${what} is at version ${to} already`
    : `${what} is at version ${to} now; it was at ${from}`;
}
