import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  batchDestructionId,
  isDestructionId,
  isOfBatch,
  newId,
} from '../../src/queue/destruction-id.js';
import { readDestruction } from '../../src/queue/job.js';

const batch = '019ab3f2-9c00-7fff-bfff-ffffffffffff';
const createdAt = Date.UTC(2026, 10, 23, 2, 30);

const uuidV7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const timeOf = (id: string) => Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16);

describe('the id of a room in a batch', () => {
  test('is the same whenever it is computed', () => {
    const first = batchDestructionId(batch, createdAt, 'room-1');
    newId();
    expect(batchDestructionId(batch, createdAt, 'room-1')).toBe(first);
    // As it was when this was written: an upgrade that changes it would put batches on twice.
    expect(first).toBe('01a2063d-2440-7189-8d52-9a246baca256');
  });

  test('is another for another room, and for another batch', () => {
    const other = '019ab3f2-9c00-7fff-bfff-fffffffffffe';
    const ids = [
      batchDestructionId(batch, createdAt, 'room-1'),
      batchDestructionId(batch, createdAt, 'room-2'),
      batchDestructionId(batch, createdAt, 'Room-1'),
      batchDestructionId(batch, createdAt, 'room-1 '),
      batchDestructionId(other, createdAt, 'room-1'),
    ];
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('is another for each of a hundred thousand rooms', () => {
    const ids = new Set<string>();
    for (let room = 0; room < 100_000; room++) {
      ids.add(batchDestructionId(batch, createdAt, `room-${room}`));
    }
    expect(ids.size).toBe(100_000);
  });

  test('is known as that of its room in its batch, and of no other', () => {
    const id = batchDestructionId(batch, createdAt, 'room-1');
    expect(isOfBatch(id, batch, 'room-1')).toBe(true);
    expect(isOfBatch(id, batch, 'room-2')).toBe(false);
    expect(isOfBatch(id, newId(), 'room-1')).toBe(false);
    for (const other of [newId(), '-'.repeat(36), 'f'.repeat(36)]) {
      expect(isOfBatch(other, batch, 'room-1')).toBe(false);
    }
  });

  test('is a UUIDv7 of the time of its batch, whatever the batch and the room', () => {
    const times = fc.nat(2 ** 48 - 1);
    fc.assert(
      fc.property(fc.string(), times, fc.string(), (batchId, ms, roomId) => {
        const id = batchDestructionId(batchId, ms, roomId);
        expect(id).toMatch(uuidV7);
        expect(timeOf(id)).toBe(ms);
      }),
    );
  });

  test('does not tell rooms and batches apart by where one ends and the other begins', () => {
    expect(batchDestructionId('ab', createdAt, 'c')).not.toBe(
      batchDestructionId('a', createdAt, 'bc'),
    );
  });
});

describe('a new id', () => {
  test('is a UUIDv7 of now, and never the same', () => {
    const before = Date.now();
    const ids = Array.from({ length: 1_000 }, newId);
    for (const id of ids) {
      expect(id).toMatch(uuidV7);
      expect(timeOf(id)).toBeGreaterThanOrEqual(before);
    }
    expect(new Set(ids).size).toBe(1_000);
  });

  test('sorts by when it was made', () => {
    const ids = Array.from({ length: 1_000 }, newId);
    expect(ids).toEqual([...ids].sort());
  });
});

test('both are ids that the worker takes', () => {
  for (const id of [newId(), batchDestructionId(batch, createdAt, 'room-1')]) {
    expect(readDestruction(id, { r: 'room-1', l: 1 }, createdAt)?.id).toBe(id);
  }
});

test('a text is the id of a destruction by its form alone', () => {
  for (const id of [newId(), batchDestructionId(batch, createdAt, 'room-1')])
    expect(isDestructionId(id)).toBe(true);
  for (const text of ['room-1', '9b2f7a51-3c8e-4d5f-8a6b-1c2d3e4f5a6b', `${batch} `])
    expect(isDestructionId(text)).toBe(false);
});
