import { expect, test } from 'vitest';
import { destroy, PATH, queryOf, send, sign, start, type Changes } from './client.js';

const refused: [rule: string, code: number, changes: Changes][] = [
  ['a method other than POST is 60002', 60002, { method: 'GET' }],
  ['PUT is 60002 as well', 60002, { method: 'PUT' }],
  ['a path of another shape is 60002', 60002, { path: '/destroy_room' }],
  ['a slash at the end is 60002', 60002, { path: `${PATH}/` }],
  ['another command is 60009', 60009, { path: '/v4/live_engine_http_srv/create_room' }],
  ['another service is 60009', 60009, { path: '/v4/group_open_http_svc/destroy_room' }],
  ['the path is case-sensitive', 60009, { path: '/v4/live_engine_http_srv/Destroy_Room' }],

  ['a query that is empty is 60012', 60012, { query: '' }],
  ['sdkappid left out is 60012', 60012, { parameters: { sdkappid: undefined } }],
  ['sdkappid without a value is 60012', 60012, { parameters: { sdkappid: '' } }],
  ['names are case-sensitive', 60012, { parameters: { sdkappid: undefined, SdkAppId: '1' } }],
  ['sdkappid that is no number is 60006', 60006, { parameters: { sdkappid: 'app' } }],
  ['sdkappid 0 is 60006', 60006, { parameters: { sdkappid: '0' } }],
  ['identifier left out is 60025', 60025, { parameters: { identifier: undefined } }],
  ['identifier without a value is 60025', 60025, { parameters: { identifier: '' } }],
  ['usersig left out is 60025', 60025, { parameters: { usersig: undefined } }],
  ['random left out is 60025', 60025, { parameters: { random: undefined } }],
  ['random above 32 bits is 60025', 60025, { parameters: { random: '4294967296' } }],
  ['random below zero is 60025', 60025, { parameters: { random: '-1' } }],
  ['random with a fraction is 60025', 60025, { parameters: { random: '0.5' } }],
  ['contenttype left out is 60025', 60025, { parameters: { contenttype: undefined } }],
  ['contenttype other than json is 60025', 60025, { parameters: { contenttype: 'xml' } }],
  ['values are case-sensitive', 60025, { parameters: { contenttype: 'JSON' } }],

  ['an empty body is 60003', 60003, { body: '' }],
  ['a body that is not JSON is 60003', 60003, { body: 'RoomId=room-000001' }],
  ['a body longer than 64 KiB is 60003', 60003, { body: `"${'x'.repeat(70_000)}"` }],
  ['a body that is a JSON array is 100002', 100002, { body: '["room-000001"]' }],
  ['a body that is null is 100002', 100002, { body: 'null' }],
  ['a body without RoomId is 100002', 100002, { body: '{"roomId":"room-000001"}' }],
  ['a RoomId that is a number is 100002', 100002, { body: '{"RoomId":1}' }],
  ['an empty RoomId is 100002', 100002, { body: '{"RoomId":""}' }],
  ['a RoomId of 49 bytes is 100002', 100002, { body: `{"RoomId":"${'x'.repeat(49)}"}` }],
  ['a RoomId beyond ASCII is 100002', 100002, { body: '{"RoomId":"café"}' }],
  ['a RoomId with a control character is 100002', 100002, { body: '{"RoomId":"a\\tb"}' }],
  ['a RoomId with a line end is 100002', 100002, { body: '{"RoomId":"a\\n"}' }],
];

test.each(refused)(
  'a request that breaks a rule is refused and destroys nothing: %s',
  async (_rule, code, changes) => {
    const simulator = await start({ rooms: 1 });
    const response = await send(simulator, 'room-000001', changes);
    expect(response.status).toBe(200);
    const reply = (await response.json()) as Record<string, unknown>;
    expect(reply).toMatchObject({ ErrorCode: code, ActionStatus: 'FAIL' });
    expect(reply['ErrorInfo']).toMatch(/\w/);
    expect(reply['RequestId']).toMatch(/\w/);
    expect(reply).not.toHaveProperty('Response');
    expect(simulator.room('room-000001').state).toBe('live');
    expect(simulator.report().codes).toEqual({ [code]: 1 });
  },
);

test.each(['sdkappid', 'identifier', 'usersig', 'random', 'contenttype'])(
  'a request that breaks a rule is refused and destroys nothing: %s given twice is 60025',
  async (name) => {
    const simulator = await start({ rooms: 1 });
    const query = queryOf();
    const again = query.split('&').find((pair) => pair.startsWith(`${name}=`)) ?? '';
    const reply = await destroy(simulator, 'room-000001', { query: `${query}&${again}` });
    expect(reply.ErrorCode).toBe(60025);
  },
);

test.each([
  ['the smallest random', { parameters: { random: '0' } }],
  ['the largest random', { parameters: { random: '4294967295' } }],
  ['a parameter nobody knows', { parameters: { extra: '1' } }],
  ['a body with more than RoomId', { body: '{"RoomId":"room-000001","Other":1}' }],
] satisfies [string, Changes][])('%s', async (_rule, changes) => {
  const simulator = await start({ rooms: 1 });
  expect((await destroy(simulator, 'room-000001', changes)).ErrorCode).toBe(0);
});

test.each([' ', 'a b:c', 'x'.repeat(48), '~"\\/<&>'])(
  'the rules allow the RoomId %j',
  async (roomId) => {
    const simulator = await start({ rooms: [roomId] });
    expect((await destroy(simulator, roomId)).ErrorCode).toBe(0);
    expect(simulator.room(roomId).state).toBe('destroyed');
  },
);

test('the URL is judged before the parameters, those before the UserSig, that before the body', async () => {
  const simulator = await start();
  const allWrong = { usersig: 'abcdefgh', contenttype: 'xml', identifier: 'someone' };
  const codes = [
    await destroy(simulator, '', { path: '/', parameters: allWrong, body: '' }),
    await destroy(simulator, '', { parameters: allWrong, body: '' }),
    await destroy(simulator, '', {
      parameters: { usersig: 'abcdefgh', identifier: 'y' },
      body: '',
    }),
    await destroy(simulator, '', {
      parameters: { usersig: sign({ identifier: 'someone' }), identifier: 'someone' },
      body: '',
    }),
    await destroy(simulator, '', { body: '' }),
  ].map((reply) => reply.ErrorCode);
  expect(codes).toEqual([60002, 60025, 70003, 60010, 60003]);
});

test('no reply repeats any part of the query', async () => {
  const simulator = await start();
  const usersig = sign({ key: 'another key' });
  const response = await send(simulator, 'x', { parameters: { usersig, identifier: 'someone' } });
  const text = await response.text();
  expect(text).not.toContain(usersig);
  expect(text).not.toContain('someone');
});
