import { Command } from 'commander';
import { printableLines } from '../redact.js';
import { startSimulator } from '../simulator/simulator.js';
import { readFlags, type SimulatorFlags } from '../simulator/simulator-flags.js';
import { demoApp, readCredentials } from '../simulator/simulator-options.js';
import { formatReport } from '../simulator/simulator-report.js';
import { onInterrupt } from './interrupt.js';
import { collect, type Io } from './io.js';

const help = `Examples:
  room-reaper simulator                              any room exists until destroyed
  room-reaper simulator --rooms 3000                 room-000001 to room-003000
  room-reaper simulator --rooms rooms.txt --port 8080
  room-reaper simulator --fault 100001=0.05 --fault cut=0.01 --latency 50
  room-reaper simulator --rooms 3000 --create-per-second 2 --end-after 1800

Point a worker at it with TENCENT_ENDPOINT; its address is said at the start.
`;

const helpAfter = `
Faults (--fault for all rooms; after a TAB behind a RoomId for that room):
  100001      this ErrorCode                    502          this HTTP status
  cut         destroyed, connection cut         hang         never answered
  garbage     destroyed, answer not JSON        stall        destroyed, half an answer
  noresponse  destroyed, no statistics told     latency=300  answered 300 ms later
  twice       destroyed, answered twice         gone         never existed (room lists only)
  Before it: act+ destroys the room all the same, keep+ does not. After it: *2 only the
  first two requests, =0.05 one request in twenty (--fault only). Several: with commas.

Callbacks (--webhook): late is up to a minute. TENCENT_WEBHOOK_TOKEN or
TENCENT_WEBHOOK_TOKEN_FILE signs them, unseen in the list of processes.

Credentials: TENCENT_SDK_APP_ID with TENCENT_SECRET_KEY or TENCENT_SECRET_KEY_FILE,
and TENCENT_ADMIN_IDENTIFIER. Without them a demo app, which is said at the start.

While it runs: GET /simulator/report, PUT or DELETE /simulator/fault,
POST /simulator/rooms (a room that was destroyed exists again), POST /simulator/ended-rooms
(ended by the system), POST /simulator/invalidate-signatures.
`;

/** `room-reaper simulator`. The first signal ends it. */
export function simulatorCommand(io: Io): Command {
  return new Command('simulator')
    .configureOutput({
      writeOut: (text) => io.stdout.write(printableLines(text)),
      writeErr: (text) => io.stderr.write(printableLines(text)),
    })
    .option('--port <N>', 'port to listen on; 0 takes a free one', '0')
    .option('--host <HOST>', 'address to listen on', '127.0.0.1')
    .option('--rooms <FILE|N>', 'rooms that exist: a file, one RoomId a line, or a number')
    .option('--any-room', 'rooms not listed exist too (as without --rooms)')
    .option('--latency <MS>', 'answer this much later', '0')
    .option(
      '--quota <[COMMAND=]N>',
      'requests in a sliding second before 60007, "none" lifts it; may be given again (default: 200, get_room_stats=100, get_room_list=10)',
      collect,
    )
    .option('--create-per-second <N>', 'rooms created while it runs, created-000001 and so on', '0')
    .option('--end-after <SECONDS>', 'the longest that a room lives before the system ends it')
    .option('--fault <SPEC>', 'fault for all rooms; may be given again', collect)
    .option(
      '--webhook <URL>',
      'post a signed Live.CallbackAfterDestroyRoom for each room that goes',
    )
    .option('--webhook-token <TOKEN>', 'signs them; better by TENCENT_WEBHOOK_TOKEN')
    .option(
      '--webhook-fault <SPEC>',
      'lost, late, twice or no-statistics, =SHARE; may be given again',
      collect,
    )
    .option('--seed <N>', 'draws what meets a fault, and how long rooms live', '1')
    .option('--json', 'print the report as JSON')
    .addHelpText('before', help)
    .addHelpText('after', helpAfter)
    .action((flags: SimulatorFlags) => runSimulator(io, flags));
}

async function runSimulator(io: Io, flags: SimulatorFlags): Promise<void> {
  const options = { ...readFlags(flags, io.env), ...readCredentials(io.env) };
  const simulator = await startSimulator(options);
  const interrupt = onInterrupt(io);
  io.stderr.write(`simulator listens at ${simulator.url}; point a worker at it with\n`);
  io.stderr.write(`  TENCENT_ENDPOINT=${simulator.url}\n`);
  if (options.sdkAppId === demoApp.sdkAppId && options.secretKey === demoApp.secretKey) {
    io.stderr.write(`  TENCENT_SDK_APP_ID=${demoApp.sdkAppId}\n`);
    io.stderr.write(`  TENCENT_SECRET_KEY=${demoApp.secretKey}\n`);
  }
  if (options.webhook !== undefined) {
    const how = options.webhook.token === undefined ? 'not signed' : 'signed';
    io.stderr.write(`rooms that go are posted, ${how}, to ${options.webhook.url}\n`);
  }
  await interrupt.interrupted;
  interrupt.dispose();
  const report = simulator.report();
  await simulator.close();
  io.stdout.write(
    printableLines(flags.json ? `${JSON.stringify(report)}\n` : formatReport(report)),
  );
}
