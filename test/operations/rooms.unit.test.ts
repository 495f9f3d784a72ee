import { describe, expect, test } from 'vitest';
import { checkRooms, refuseUnusable, roomCountsToJson } from '../../src/operations/rooms.js';
import { protectedRooms } from '../../src/protected-rooms.js';
import { listIn } from '../room-list/lists.js';

function check(text: string, patterns: readonly string[] = []) {
  return checkRooms(listIn(text), { rooms: protectedRooms(patterns), patterns });
}

describe('checking a list', () => {
  test('counts rooms, duplicates, bad lines and protected rooms', async () => {
    const checked = await check('a\nb\na\nbäd\nvip-1\nvip-1\n', ['vip-*']);
    expect(checked.counts).toEqual({
      ...{ requested: 4, unique: 2, duplicates: 1, invalid: 1, protected: 2 },
    });
    expect(roomCountsToJson(checked.counts)).toEqual(checked.counts);
  });

  test('leaves protected rooms out of the JSON where there are none', async () => {
    const { counts } = await check('a\n');
    expect(Object.keys(roomCountsToJson(counts))).toEqual([
      ...['requested', 'unique', 'duplicates', 'invalid'],
    ]);
  });

  test('names what is bad and where, and goes on', async () => {
    const { problems, counts } = await check('a\n\nbäd\nc\n');
    expect(problems).toMatchObject([{ at: 'line 3' }]);
    expect(counts.unique).toBe(2);
  });

  test('names each protected room once, with what protects it, and hands out the others', async () => {
    const checked = await check('a\nvip-1\nalways on\nvip-1\n', ['vip-*', 'always on']);
    expect(checked.protected).toEqual({
      total: 3,
      named: [
        { roomId: 'vip-1', entry: 'vip-*' },
        { roomId: 'always on', entry: 'always on' },
      ],
    });
    const left: unknown[] = [];
    for await (const batch of checked.list.entries()) left.push(...batch);
    expect(left).toMatchObject([{ roomId: 'a' }]);
  });

  test('names twenty protected rooms of more', async () => {
    const many = Array.from({ length: 30 }, (_, index) => `vip-${index}\n`).join('');
    const { named, total } = (await check(many, ['*'])).protected;
    expect([named.length, total]).toEqual([20, 30]);
  });

  test('tells which patterns protect no room of the list', async () => {
    const { unusedPatterns } = await check('vip-1\n', ['vip-*', 'vpi-*']);
    expect(unusedPatterns).toEqual(['vpi-*']);
  });
});

describe('a list that cannot be used is refused', () => {
  const refusal = async (text: string, leaveOut = {}, patterns: string[] = []) => {
    const checked = await check(text, patterns);
    return () => refuseUnusable(checked, leaveOut);
  };

  test('for a bad line, unless it is to be left out', async () => {
    expect(await refusal('a\nbäd\n')).toThrow(
      expect.objectContaining({
        ...{ code: 'INVALID', remedy: 'skip_invalid' },
        message: 'the list has a line that is not a RoomId; nothing was sent',
      }),
    );
    expect(await refusal('a\nbäd\n', { skipInvalid: true })).not.toThrow();
  });

  test('for protected rooms, unless they are to be left out', async () => {
    expect(await refusal('a\nb\nc\n', {}, ['a', 'b'])).toThrow(
      expect.objectContaining({
        ...{ code: 'REFUSED', remedy: 'skip_protected' },
        message: 'the list has 2 protected rooms; nothing was sent',
      }),
    );
    expect(await refusal('a\nb\n', { skipProtected: true }, ['a'])).not.toThrow();
  });

  test('where nothing is in it, or nothing is left', async () => {
    expect(await refusal('')).toThrow('a list has no rooms in it; nothing was sent');
    expect(await refusal('a\n', { skipProtected: true }, ['a'])).toThrow(
      'a list has no rooms in it that are not protected; nothing was sent',
    );
  });
});
