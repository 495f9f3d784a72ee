import { describe, expect, test } from 'vitest';
import { readReply } from '../../src/tencent/response.js';
import { readCreatedAt, readRoomPage, readRoomTotals } from '../../src/tencent/rooms.js';

/** What is read of `response`, as it comes over the wire. */
function over<T>(read: (response: unknown) => T, response: string): T {
  const answer = readReply(200, `{"ErrorCode":0,"ActionStatus":"OK","Response":${response}}`);
  return read(answer.kind === 'reply' ? answer.response : 'no reply');
}

test.each([
  ['{"RoomInfo":{"RoomId":"a","CreateTime":1764000000}}', 1_764_000_000_000],
  ['{"RoomInfo":{"CreateTime":"1764000000"}}', 1_764_000_000_000],
  ['{"RoomInfo":{"CreateTime":1764000000123}}', 1_764_000_000_123],
  ['{"CreateTime":1764000000}', 1_764_000_000_000],
  ['{"RoomInfo":{"CreateTime":0}}', undefined],
  ['{"RoomInfo":{"CreateTime":-5}}', undefined],
  ['{"RoomInfo":{"CreateTime":"soon"}}', undefined],
  ['{"RoomInfo":{}}', undefined],
  ['{}', undefined],
  ['null', undefined],
  ['[]', undefined],
])('of %s a room was created at %s', (response, createdAtMs) => {
  expect(over(readCreatedAt, response)).toBe(createdAtMs);
});

describe('the totals of a live room', () => {
  const totals =
    '"TotalViewers":1,"TotalGiftsSent":"2","TotalGiftCoins":90071992547409931,"TotalUniqueGiftSenders":4,"TotalLikesReceived":5,"TotalMsgCount":6';
  const read = {
    ...{ totalViewers: 1n, totalGiftsSent: 2n, totalGiftCoins: 90071992547409931n },
    ...{ totalUniqueGiftSenders: 4n, totalLikesReceived: 5n },
  };

  test.each([
    ['under Statistic', `{"Statistic":{${totals}}}`, read],
    ['under RoomStats', `{"RoomStats":{${totals}}}`, read],
    ['by themselves', `{"RoomId":"a",${totals}}`, read],
    ['all but one', '{"Statistic":{"TotalViewers":1}}', undefined],
    ['not at all', '{}', undefined],
    ['of no Response', 'null', undefined],
  ])('%s', (_, response, expected) => {
    expect(over(readRoomTotals, response)).toEqual(expected);
  });
});

describe('a page of the list', () => {
  const room =
    '{"RoomId":"a","RoomName":"Evening","Owner_Account":"owner","CreateTime":1764000000,"ViewCount":7,"CoverURL":"x"}';
  const read = {
    ...{ roomId: 'a', name: 'Evening', owner: 'owner', createdAtMs: 1_764_000_000_000, views: 7 },
  };

  test.each([
    [
      'a next one',
      `{"Next":"n","RoomList":[${room}]}`,
      { next: 'n', rooms: [read], unreadable: 0 },
    ],
    [
      'the last one',
      `{"Next":"","RoomList":[${room}]}`,
      { next: '', rooms: [read], unreadable: 0 },
    ],
    ['an empty one', '{"Next":"","RoomList":[]}', { next: '', rooms: [], unreadable: 0 }],
    ['no list', '{"Next":"","RoomList":null}', { next: '', rooms: [], unreadable: 0 }],
    [
      'a number for a cursor, and a room that says little',
      '{"Next":20,"RoomList":[{"RoomId":"b","Owner_Account":12,"ViewCount":"many"}]}',
      {
        next: '20',
        unreadable: 0,
        rooms: [
          {
            ...{ roomId: 'b', name: undefined, owner: '12', createdAtMs: undefined },
            views: undefined,
          },
        ],
      },
    ],
    [
      'a room that nobody can ask for',
      `{"Next":"","RoomList":[{"RoomId":"räume"},${room}]}`,
      { next: '', rooms: [read], unreadable: 1 },
    ],
    ['no rooms but a text', '{"RoomList":"none"}', undefined],
    ['no object', '[]', undefined],
  ])('%s', (_, response, expected) => {
    expect(over(readRoomPage, response)).toEqual(expected);
  });
});
