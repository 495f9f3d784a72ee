/** How each store is asked whether it answers: for whoever decides where requests go. */
import type { Service } from './service.js';

export function questionsTo(
  service: Pick<Service, 'database' | 'queue'>,
): Readonly<Record<'queue' | 'ledger', () => Promise<unknown>>> {
  return {
    queue: async () => (await service.queue()).queue.isPaused(),
    ledger: () => service.database.query('ready', 'select 1', []),
  };
}
