import { expect, test } from 'vitest';
import { openQueue } from '../../src/queue/open.js';
import { freshSdkAppId } from '../support/servers.js';
import { places } from './places.js';

test.each(places)(
  'on %s, a connection that breaks while the queue is closed is no trouble',
  async (_name, open) => {
    const place = await open();
    const told: string[] = [];
    const opened = await openQueue({
      sdkAppId: freshSdkAppId(),
      connection: place.connection,
      onError: ({ message }) => told.push(message),
    });
    opened.queue.emit('error', new Error('before'));
    const closing = opened.close();
    opened.queue.emit('error', new Error('meanwhile'));
    await closing;
    await place.drop();
    expect(told).toEqual(['before']);
  },
);
