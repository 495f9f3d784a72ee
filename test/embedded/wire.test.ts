import { describe, expect, test } from 'vitest';
import {
  beginsTransaction,
  copiesIn,
  createMessageReader,
  listens,
  messagesOf,
  prefixStatement,
  queryMessage,
} from '../../src/embedded/wire.js';

describe('reading messages', () => {
  test('however a stream is cut, the messages come out the same', () => {
    const bytes = Buffer.concat(['a', 'bc', ''].map(queryMessage));
    for (let size = 1; size <= bytes.length; size++) {
      const reader = createMessageReader();
      const read: string[] = [];
      for (let at = 0; at < bytes.length; at += size) {
        reader.push(bytes.subarray(at, at + size));
        for (let next = reader.next(true); next !== undefined; next = reader.next(true)) {
          read.push(next.toString('latin1', 5, next.length - 1));
        }
      }
      expect(read).toEqual(['a', 'bc', '']);
    }
  });

  test('a message length that no message has is refused', () => {
    const reader = createMessageReader();
    reader.push(Buffer.from('GET / HTTP/1.1\r\n'));
    expect(() => reader.next(true)).toThrow(/message length must be/);
  });
});

describe('what a statement does', () => {
  test.each([
    ['begin', true],
    ['BEGIN ISOLATION LEVEL SERIALIZABLE', true],
    ['-- why\n  start  transaction', true],
    ['select begin', false],
    ['beginning', false],
  ])('%s begins a transaction: %s', (sql, begins) => {
    expect(beginsTransaction(queryMessage(sql))).toBe(begins);
  });

  test.each([
    ['LISTEN news', true],
    ['-- comment\nlisten news', true],
    ['select listen', false],
  ])('%s listens: %s', (sql, does) => {
    expect(listens(queryMessage(sql))).toBe(does);
  });

  test.each([
    ['copy t (a, b) from stdin', true],
    ['copy t to stdout', false],
    [`select 'copy t from stdin'`, false],
  ])('%s copies in: %s', (sql, does) => {
    expect(copiesIn(queryMessage(sql))).toBe(does);
  });
});

describe('names of prepared statements', () => {
  const frame = (type: string, body: string): Buffer => {
    const query = queryMessage(body.slice(0, -1));
    query.write(type, 0, 'latin1');
    return query;
  };

  test.each([
    ['P', 'name\0select 1\0\0', 'c1_name\0select 1\0\0'],
    ['B', 'portal\0name\0', 'portal\0c1_name\0'],
    ['D', 'Sname\0', 'Sc1_name\0'],
    ['D', 'Pportal\0', 'Pportal\0'],
    ['C', 'Sname\0', 'Sc1_name\0'],
    ['P', '\0select 1\0', '\0select 1\0'],
    ['E', 'name\0', 'name\0'],
  ])(
    'the name of a prepared statement is kept apart in %s: %j becomes %j',
    (type, body, expected) => {
      const [renamed] = messagesOf(prefixStatement(frame(type, body), 'c1_'));
      expect(renamed?.toString('latin1', 5)).toBe(expected);
    },
  );
});
