/**
 * Before a run begins: how long it takes, when it is done, whether a deadline holds.
 *
 * `--deadline` is a plan and no more: nothing is stopped and no room is left alone because
 * it passes. (That rooms must not be sent too late is DESTROY_DEADLINE_HOURS.)
 */
import { ReaperError } from '../errors.js';
import { ask } from './confirm.js';
import { secondsLeft } from './eta.js';
import { say, type Io } from './io.js';
import type { Outlook } from './look-ahead.js';
import { clockTime, duration, rooms } from '../text.js';
import { readTime } from './when.js';

export interface Plan {
  outlook: Outlook;
  /** From the first room of this run to its last, in seconds. */
  seconds: number;
  beginsAtMs: number;
  doneAtMs: number;
  deadline: { atMs: number; missedBySeconds: number | undefined } | undefined;
}

export interface PlanOptions {
  rooms: number;
  outlook: Outlook;
  nowMs: number;
  /** The rooms are due so much later, in milliseconds. */
  delayMs: number;
  /** Milliseconds since the epoch. */
  deadlineMs: number | undefined;
}

/**
 * What waits goes first, at the rate in force, each room with as many requests as rooms
 * cost lately. Until a delayed run begins, the line works off what waits.
 */
export function makePlan({ rooms, outlook, nowMs, delayMs, deadlineMs }: PlanOptions): Plan {
  const secondsFor = (roomsAhead: number) => secondsLeft({ ...outlook, roomsAhead }) ?? 0;
  const ahead = outlook.waitingAhead ?? 0;
  // Together, and not one after the other: a brake climbs back only once.
  const seconds = Math.max(secondsFor(ahead + rooms) - delayMs / 1000, secondsFor(rooms));
  const beginsAtMs = nowMs + delayMs;
  const doneAtMs = beginsAtMs + seconds * 1000;
  const lateSeconds = deadlineMs === undefined ? 0 : (doneAtMs - deadlineMs) / 1000;
  return {
    outlook,
    seconds,
    beginsAtMs,
    doneAtMs,
    deadline:
      deadlineMs === undefined
        ? undefined
        : { atMs: deadlineMs, missedBySeconds: lateSeconds > 0 ? lateSeconds : undefined },
  };
}

/** `25 min 30 s, done 02:31:07 if begun now, 1,200 rooms ahead; the deadline is missed by 6 min 00 s` */
export function describePlan(plan: Plan, nowMs: number): string {
  const { outlook, deadline } = plan;
  const begin = plan.beginsAtMs > nowMs ? `begun ${clockTime(plan.beginsAtMs)}` : 'begun now';
  const ahead =
    outlook.waitingAhead === undefined
      ? ' and nothing else waits'
      : outlook.waitingAhead > 0
        ? `, ${rooms(outlook.waitingAhead)} ahead`
        : '';
  const held = outlook.held === undefined ? '' : `, once the line runs: it is ${outlook.held}`;
  return `${duration(plan.seconds)}, done ${clockTime(plan.doneAtMs)} if ${begin}${ahead}${held}${describeDeadline(deadline, plan.doneAtMs)}`;
}

function describeDeadline(deadline: Plan['deadline'], doneAtMs: number): string {
  if (deadline === undefined) return '';
  return deadline.missedBySeconds === undefined
    ? `; ${duration((deadline.atMs - doneAtMs) / 1000)} before the deadline`
    : `; the deadline is missed by ${duration(deadline.missedBySeconds)}`;
}

/** The part of a dry run's `--json` that is about time. */
export function planToJson(plan: Plan): Record<string, unknown> {
  const { deadline, outlook } = plan;
  return {
    seconds: Math.round(plan.seconds * 10) / 10,
    ...(outlook.waitingAhead === undefined ? {} : { waitingAhead: outlook.waitingAhead }),
    doneAt: new Date(plan.doneAtMs).toISOString(),
    ...(deadline === undefined
      ? {}
      : {
          deadline: {
            at: new Date(deadline.atMs).toISOString(),
            missed: deadline.missedBySeconds !== undefined,
            ...(deadline.missedBySeconds === undefined
              ? {}
              : { missedBySeconds: Math.round(deadline.missedBySeconds * 10) / 10 }),
          },
        }),
  };
}

/** `--deadline` as milliseconds since the epoch. @throws ReaperError `INVALID`. */
export function readDeadline(text: string | undefined, nowMs: number): number | undefined {
  return text === undefined ? undefined : readTime('--deadline', text, nowMs);
}

/**
 * A deadline that cannot be kept is said before anything is sent, and begun all the same
 * only where somebody says so.
 *
 * @throws ReaperError `INVALID` where nobody does.
 */
export async function acceptPlan(plan: Plan, yes: boolean, io: Io, nowMs: number): Promise<void> {
  if (plan.deadline === undefined) return;
  say(io, describePlan(plan, nowMs));
  if (plan.deadline.missedBySeconds === undefined || yes) return;
  const answer = await ask(
    'begin all the same? (yes or no) ',
    `the deadline is missed by ${duration(plan.deadline.missedBySeconds)}; nothing was sent. Add --yes to begin all the same, or give a later --deadline`,
    io,
  );
  if (!/^y(es)?$/i.test(answer.trim()))
    throw new ReaperError('INVALID', 'not confirmed; nothing was sent');
}
