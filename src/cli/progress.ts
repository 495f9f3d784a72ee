/** The line of live progress, on a terminal only. */
import { outcomes } from '../destruction.js';
import { cut } from '../layout.js';
import { finishedCount, type BatchLook } from '../operations/destroy.js';
import type { Io } from './io.js';
import { printable } from '../redact.js';
import { clockTime, count, duration } from '../text.js';
import { describeLastRooms, outcomeWords } from './summary-text.js';

export interface ProgressLine {
  update(text: string): void;
  /** Takes it off the screen: what is written next stands in its place. */
  clear(): void;
  /** Leaves the last state on the screen and ends the line. */
  end(): void;
}

export function createProgressLine(io: Io): ProgressLine {
  const nothing = () => undefined;
  if (!io.stderr.isTTY) return { update: nothing, clear: nothing, end: nothing };
  let shown = false;
  return {
    update(text) {
      // 0 where the terminal does not know.
      const width = (io.stderr as { columns?: number }).columns || 80;
      io.stderr.write(`\r\u001b[K${cut(printable(text, Infinity), width - 2)}`);
      shown = true;
    },
    clear() {
      if (shown) io.stderr.write('\r\u001b[K');
      shown = false;
    },
    end() {
      if (shown) io.stderr.write('\n');
      shown = false;
    },
  };
}

/** Lends a line that shows how many rooms of a batch are on the queue. */
export async function withBatchProgress<R>(
  io: Io,
  use: (onProgress: (settled: number, total: number) => void) => Promise<R>,
): Promise<R> {
  const line = createProgressLine(io);
  try {
    return await use((settled, total) =>
      line.update(`${count(settled)} / ${count(total)} rooms on the queue`),
    );
  } finally {
    line.end();
  }
}

/**
 * `[####......] 412 / 1,000 rooms · 3 s left, done 02:31:07 UTC · 196/s · 400 destroyed`: a narrow
 * terminal cuts the end. The last rooms stand before what became of the others.
 */
export function describeProgress(look: BatchLook): string {
  const { progress, ratePerSecond, secondsLeft, nowMs, last } = look;
  const finished = finishedCount(progress);
  const left = progress.total - finished;
  const time =
    secondsLeft === undefined
      ? `${count(left)} waiting`
      : `${duration(secondsLeft)} left, done ${clockTime(nowMs + secondsLeft * 1000)}`;
  const words = { ...outcomeWords, destroyed: 'destroyed' };
  const parts = [
    `${bar(finished, progress.total)} ${count(finished)} / ${count(progress.total)} rooms`,
    ...(left > 0 ? [time] : []),
    `${Math.round(ratePerSecond)}/s`,
    ...(last ? describeLastRooms(last) : []),
    outcomes
      .filter((outcome) => progress[outcome] > 0)
      .map((outcome) => `${count(progress[outcome])} ${words[outcome]}`)
      .join(', '),
  ];
  return parts.filter((part) => part !== '').join(' · ');
}

const barWidth = 10;

/** Full when all is done, and not before. */
function bar(finished: number, total: number): string {
  const full = total === 0 ? barWidth : Math.floor((barWidth * finished) / total);
  return `[${'#'.repeat(full)}${'.'.repeat(barWidth - full)}]`;
}
