/** `room-reaper token`: who may ask over HTTP, and as what. */
import { Command } from 'commander';
import {
  createToken,
  listTokens,
  readRole,
  revokeToken,
  roles,
  tokenJson,
  type StoredToken,
} from '../operations/tokens.js';
import { dayAndTime } from '../text.js';
import { readDuration } from '../when.js';
import { print, say, type Io } from './io.js';
import { askedBy } from './room-request.js';
import { withOwnService } from './with-service.js';

const help = `
Examples:
  room-reaper token create --name grafana --role viewer --expires 90d
  room-reaper token list
  room-reaper token revoke grafana

Roles: viewer looks; producer asks for rooms and looks at what it asked for; operator does
everything. The token is shown once: the ledger keeps its SHA-256 alone.`;

export function tokenCommand(io: Io): Command {
  const token = new Command('token').addHelpText('after', help);
  token
    .command('create')
    .description('make a token and print it, once')
    .requiredOption('--name <NAME>', 'whose it is, as the action log calls it')
    .requiredOption('--role <ROLE>', roles.join(', '))
    .option('--expires <DURATION>', 'for how long it counts: 90d; default: until it is revoked')
    .action(async (flags: { name: string; role: string; expires?: string }) => {
      const role = readRole('--role', flags.role);
      const { name, expires } = flags;
      const expiresAtMs = expires && Date.now() + readDuration('--expires', expires);
      const request = { name, role, by: askedBy(undefined), expiresAtMs: expiresAtMs || undefined };
      const made = await withOwnService(io, (service) => createToken(service, request), {
        mustBeMade: false,
      });
      print(io, made);
      say(io, `keep it now: it cannot be shown again; room-reaper token revoke ${name} ends it`);
    });
  token
    .command('list')
    .description('names, roles and times; no tokens')
    .option('--json', 'print one JSON array on stdout')
    .action(async (flags: { json?: boolean }) => {
      const tokens = await withOwnService(io, listTokens, { readOnly: true });
      print(io, flags.json ? JSON.stringify(tokens.map(tokenJson)) : tokens.map(toText).join('\n'));
    });
  token
    .command('revoke')
    .description('end a token or a sign-in link, within a second at every server')
    .argument('<NAME>', 'its name')
    .action(async (name: string) => {
      await withOwnService(io, (service) => revokeToken(service, name));
      print(io, `${name} is revoked`);
    });
  return token;
}

const linkWords = { open: ', sign-in link not used yet', used: ', session of a sign-in link' };

function toText({ name, role, by, createdAtMs, expiresAtMs, link }: StoredToken): string {
  const until = expiresAtMs === undefined ? '' : `, until ${dayAndTime(expiresAtMs)}`;
  const kind = link === undefined ? '' : linkWords[link];
  return `${name}  ${role}  made ${dayAndTime(createdAtMs)} by ${by}${until}${kind}`;
}
