/** Whether the stores answer: for whoever decides where requests go. */
import { within } from '../time-limit.js';
import type { Service } from './service.js';

export interface Health {
  queue: boolean;
  ledger: boolean;
}

/** How long each may take to answer, in milliseconds. */
const answerLimitMs = 1_000;

export async function readHealth(service: Pick<Service, 'database' | 'queue'>): Promise<Health> {
  const answers = (asked: Promise<unknown>) =>
    within(answerLimitMs, asked).then(
      () => true,
      () => false,
    );
  const [queue, ledger] = await Promise.all([
    answers(service.queue().then((opened) => opened.queue.isPaused())),
    answers(service.database.query('health', 'select 1', [])),
  ]);
  return { queue, ledger };
}
