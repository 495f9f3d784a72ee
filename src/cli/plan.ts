/**
 * The forecast of a run in words, and what becomes of a deadline that does not hold.
 *
 * `--deadline` is a plan and no more: nothing is stopped and no room is left alone because
 * it passes. (That rooms must not be sent too late is DESTROY_DEADLINE_HOURS.)
 */
import { ReaperError } from '../errors.js';
import type { Forecast } from '../operations/forecast.js';
import { clockTime, duration, rooms } from '../text.js';
import { ask } from './confirm.js';
import { say, type Io } from './io.js';
import { readTime } from './when.js';

/** `25 min 30 s, done 02:31:07 if begun now, 1,200 rooms ahead; the deadline is missed by 6 min 00 s` */
export function describePlan(plan: Forecast, nowMs: number): string {
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

function describeDeadline(deadline: Forecast['deadline'], doneAtMs: number): string {
  if (deadline === undefined) return '';
  return deadline.missedBySeconds === undefined
    ? `; ${duration((deadline.atMs - doneAtMs) / 1000)} before the deadline`
    : `; the deadline is missed by ${duration(deadline.missedBySeconds)}`;
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
export async function acceptPlan(
  plan: Forecast,
  yes: boolean,
  io: Io,
  nowMs: number,
): Promise<void> {
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
