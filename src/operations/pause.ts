/** Holding the queue by hand, and letting it go on. */
import { haltOf, readHaltedReads, readLines, resumeLine, type Halt } from '../ledger/line.js';
import { limitRemedy, readLimit } from '../queue/depth.js';
import type { PauseMark } from '../queue/pause.js';
import { isoTime } from '../text.js';
import { recorded } from './actions.js';
import type { Service } from './service.js';

/**
 * No worker takes up another room, until `resume`. A pause that has a name keeps it.
 *
 * @returns whose pause it is now, and whether it was made by this call.
 */
export async function pause(
  service: Service,
  who: Pick<PauseMark, 'by' | 'note'>,
): Promise<{ mark: PauseMark; isNew: boolean }> {
  const deed = { what: 'queue.pause', reason: who.note };
  // Of a mistyped app nothing is written down.
  await service.queue();
  return recorded(service, who.by, deed, () => hold(service, who));
}

async function hold(service: Service, who: Pick<PauseMark, 'by' | 'note'>) {
  const opened = await service.queue();
  const before = await opened.pause.read();
  if (before !== undefined) return { mark: before, isNew: false };
  const mark = { ...who, sinceMs: Date.now() };
  await opened.pause.pause(mark);
  return { mark, isNew: true };
}

/** The shape is a contract. undefined: a dashboard paused it, or nobody. */
export function pauseJson(mark: PauseMark | undefined): object | undefined {
  return mark && { by: mark.by, note: mark.note, since: isoTime(mark.sinceMs) };
}

/** What still slows or holds the queue after `resume`, and how it is lifted; undefined: nothing. */
export async function readLimitLeft(service: Service): Promise<string | undefined> {
  const limit = await readLimit((await service.queue()).queue);
  return limit === undefined ? undefined : describeLimit(limit);
}

export function describeLimit(limit: string): string {
  return `a dashboard or a script set ${limit} for the queue; ${limitRemedy}`;
}

export interface ResumedLine {
  host: string;
  /** Of a command that only reads: which. */
  command?: string;
  /** What had stopped it. */
  halt: Halt | undefined;
}

export interface Resumed {
  /** Whether the queue was paused; by whom, where that is known. */
  wasPaused: boolean;
  mark: PauseMark | undefined;
  /** The lines of the app that were stopped, or in an outage. */
  lines: ResumedLine[];
}

/** Goes on after `pause`, and after a line was stopped and its cause mended. */
export async function resume(
  service: Service,
  who: Partial<Pick<PauseMark, 'by' | 'note'>> = {},
): Promise<Resumed> {
  const deed = { what: 'queue.resume', reason: who.note };
  await service.queue();
  return recorded(service, who.by, deed, () => letGo(service));
}

async function letGo(service: Service): Promise<Resumed> {
  const { database, config, intervalMs } = service;
  const opened = await service.queue();
  const wasPaused = await opened.queue.isPaused();
  const mark = await opened.pause.read();
  await opened.pause.resume();
  const lines: ResumedLine[] = [];
  for (const { id, host, state } of await readLines(database, config.sdkAppId, intervalMs)) {
    if (await resumeLine(database, id)) lines.push({ host, halt: haltOf(state) });
  }
  for (const { id, host, command, halt } of await readHaltedReads(database, config.sdkAppId)) {
    if (await resumeLine(database, id)) lines.push({ host, command, halt });
  }
  return { wasPaused, mark, lines };
}

/** The shape is a contract. */
export function resumedJson({ wasPaused, mark, lines }: Resumed): object {
  return {
    wasPaused,
    pause: pauseJson(mark) ?? null,
    lines: lines.map(({ host, command, halt }) => ({
      host,
      command,
      stopped: halt?.reason ?? null,
    })),
  };
}
