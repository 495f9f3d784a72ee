import type { Config } from '../config.js';
import { openService, type Service } from '../operations/service.js';
import { say, type Io } from './io.js';
import { sayQueueAway } from './queue-away.js';

/**
 * Lends the service to `use`, and closes it however that ends.
 *
 * @param onQueueError - told of trouble with the connection to the queue; by default that is said.
 * @throws ReaperError `UNAVAILABLE` where a store cannot be reached.
 */
export async function withService<R>(
  config: Config,
  io: Io,
  use: (service: Service) => Promise<R>,
  onQueueError: (error: Error) => void = sayQueueAway(io, config.queueUrl),
): Promise<R> {
  const onNotice = (message: string) => say(io, message);
  const service = await openService(config, { onNotice, onQueueError });
  try {
    return await use(service);
  } finally {
    await service.close();
  }
}
