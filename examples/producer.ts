/**
 * A service that asks for rooms to be destroyed, now and later. It needs the queue and no
 * key: rooms are destroyed by the workers (worker.ts, or `room-reaper worker`).
 *
 *   export QUEUE_URL=redis://localhost TENCENT_SDK_APP_ID=1400000001
 *   npx tsx examples/producer.ts live-room-42 live-room-43
 */
import { openProducer, ReaperError } from 'room-reaper/producer';

// One producer for the life of the service: it keeps a connection open.
const producer = await openProducer({
  queueUrl: process.env['QUEUE_URL'] ?? 'embedded',
  sdkAppId: Number(process.env['TENCENT_SDK_APP_ID']),
  dataDir: process.env['ROOM_REAPER_DATA_DIR'] ?? '.room-reaper',
  onError: (error) => console.error(`queue: ${error.message}`),
});

try {
  // One room, now. Asked for again while it is pending, it is the same destruction.
  const [first = 'live-room-42', ...others] = process.argv.slice(2);
  const { destructionId, status } = await producer.destroy(first);
  console.log(`${first}: ${status} as ${destructionId}`);

  // One room when its event is over, unless somebody asks for it earlier. `at` takes a Date.
  await producer.destroy('live-room-after-the-event', { delayMs: 30 * 60_000 });

  // Somebody came back: it is taken back for certain, or a worker has it already.
  const taken = await producer.cancel('live-room-after-the-event');
  console.log(`${taken.roomId}: ${taken.status}`);

  // A user waits for this one: it goes before everything else.
  await producer.destroy('live-room-urgent', { urgent: true });

  // Many, from any iterable or async iterable, such as the rows of a query.
  const counts = await producer.destroyMany(others);
  console.log(`${counts.added} more added, ${counts.pending} were pending already`);
} catch (error) {
  // INVALID: a RoomId or an option is not valid. UNAVAILABLE: the queue is away, ask again later.
  // NO_SPACE: Redis is full, ask again when it has space.
  if (!(error instanceof ReaperError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
} finally {
  await producer.close();
}
