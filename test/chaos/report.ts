/** One page about one run. */
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import type { Facts } from './facts.js';
import { groupBy } from './group.js';
import type { Done } from './history.js';
import { invariants, quota } from './invariants.js';
import { targetOf } from './schedule.js';

/** Examples shown of each violated invariant. */
const examplesShown = 5;

/** @param command - what repeats this run. */
export function writeReport(facts: Facts, command: string): string {
  const { history, arrivals } = facts;
  const { faults, emptyAtMs, server, apiProxy } = history;
  const [first, last] = [arrivals[0]?.atMs ?? 0, arrivals.at(-1)?.atMs ?? 0];
  const busySeconds = (faults.untilMs - faults.fromMs) / 1000;
  const during = arrivals.filter(({ atMs }) => atMs <= faults.untilMs).length;
  const checks = Object.entries(invariants).map(([name, check]) => ({
    name,
    broken: check(facts),
  }));
  return [
    `A run of trouble, seed ${history.seed}`,
    `  machine    ${cpus()[0]?.model ?? 'unknown'}, ${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}`,
    `  duration   ${seconds(faults.untilMs - faults.fromMs)} of faults; empty ${emptyAtMs === undefined ? 'never' : `${seconds(emptyAtMs - faults.untilMs)} later`}`,
    `  asked for  ${history.accepted.length} times, ${facts.rooms.size} rooms, ${history.batches.length} batches`,
    `  ended      ${counts(history.destructions.map(({ outcome }) => outcome ?? 'open'))}`,
    `  statistics ${counts(history.destructions.map(({ statistics_source: source }) => source ?? 'no end'))}; ${history.told.length} callbacks of ${history.ends.length} ends, ${history.snapshots.length} snapshots, ${history.created.length} rooms created again`,
    `  requests   ${arrivals.length} over ${seconds(last - first)}; ${((during / busySeconds / quota) * 100).toFixed(0)} % of the quota used during the faults`,
    `  window     ${server.worstWindow} in the worst second as measured; the server did not run ${stalled(server.stalls)}, the proxy before it ${stalled(apiProxy.stalls)}`,
    `  workers    ${history.processes.length} processes in ${new Set(history.processes.map(({ place }) => place)).size} places`,
    '',
    'What was done',
    ...summary(history.done).map((line) => `  ${line}`),
    '',
    'What must hold',
    ...checks.flatMap(({ name, broken }) => [
      `  ${broken.length === 0 ? 'ok      ' : 'VIOLATED'}  ${name}${broken.length === 0 ? '' : ` (${broken.length})`}`,
      ...broken.slice(0, examplesShown).map((example) => `              ${example}`),
    ]),
    '',
    `Again: ${command}`,
  ].join('\n');
}

/** Second by second, for whoever looks for a cause. */
export function writeTimeline(facts: Facts): string {
  const { done, faults } = facts.history;
  return done
    .map(({ fromMs, untilMs, deed }) => {
      const from = ((fromMs - faults.fromMs) / 1000).toFixed(2);
      return `${from.padStart(7)} s  ${seconds(untilMs - fromMs).padStart(7)}  ${describe(deed)}`;
    })
    .join('\n');
}

function describe(deed: Done['deed']): string {
  switch (deed.kind) {
    case 'network':
      return `${deed.fault.kind} on ${targetOf(deed)}`;
    case 'cut':
    case 'forget':
      return `${deed.kind} ${targetOf(deed)}`;
    case 'api faults':
      return `answers: ${deed.name}`;
    case 'kill server':
      return `kill ${deed.server}`;
    case 'kill worker':
    case 'freeze worker':
    case 'stop worker':
    case 'freeze redis':
    case 'invalidate signatures':
      return deed.kind;
    default:
      return deed satisfies never;
  }
}

function summary(done: readonly Done[]): string[] {
  const groups = groupBy(done, ({ deed }) => describe(deed));
  return [...groups].map(([what, all]) => {
    const longest = Math.max(...all.map(({ fromMs, untilMs }) => untilMs - fromMs));
    return `${String(all.length).padStart(3)} × ${what}${longest < 50 ? '' : `, up to ${seconds(longest)}`}`;
  });
}

function counts(words: readonly string[]): string {
  return [...groupBy(words, (word) => word)]
    .map(([word, all]) => `${word} ${all.length}`)
    .join(', ');
}

function stalled(stalls: readonly { fromMs: number; untilMs: number }[]): string {
  const longest = Math.max(0, ...stalls.map(({ fromMs, untilMs }) => untilMs - fromMs));
  return stalls.length === 0 ? 'never' : `${stalls.length} times, up to ${longest.toFixed(0)} ms`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
