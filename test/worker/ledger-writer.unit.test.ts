import { describe, expect, test } from 'vitest';
import type { RecordItem } from '../../src/ledger/record.js';
import { createLedgerWriter } from '../../src/worker/ledger-writer.js';

const item = (destructionId: string): RecordItem => ({
  destructionId,
  attempt: undefined,
  end: undefined,
});

const failure = (code: string) => Object.assign(new Error(code), { code });

/** A writer whose ledger answers as it is told, statement by statement, and then takes all. */
function openWriter(answers: (Error | 'nothing')[] = []) {
  const asked: { name: string; ids: string[] }[] = [];
  const told: (string | undefined)[] = [];
  const writer = createLedgerWriter({
    database: {
      query(name: string, _sql: string, values: readonly unknown[]) {
        const ids = (name === 'release' ? values[1] : values[0]) as string[];
        asked.push({ name, ids });
        const answer = answers.shift();
        if (answer === 'nothing') return new Promise<never>(() => undefined);
        if (answer !== undefined) return Promise.reject(answer);
        return Promise.resolve(ids.map((id) => ({ id, outcome: 'destroyed' })) as never[]);
      },
      close: () => Promise.resolve(),
    },
    sdkAppId: 1,
    workerId: 'worker-1',
    onDatabase: (error) => told.push(error?.message),
  });
  return { writer, asked, told };
}

describe('writing to the ledger', () => {
  test('what comes together goes together, and each has its own outcome', async () => {
    const { writer, asked } = openWriter();
    const outcomes = await Promise.all(['a', 'b', 'c'].map((id) => writer.record(item(id))));
    expect(outcomes).toEqual(['destroyed', 'destroyed', 'destroyed']);
    expect(asked).toEqual([{ name: 'record', ids: ['a', 'b', 'c'] }]);
  });

  test.each(['ECONNREFUSED', '57P01', '28P01', '42P01'])(
    'a ledger that fails with %s is asked until it takes it, and both is said',
    async (code) => {
      const { writer, told } = openWriter([failure(code), failure(code)]);
      expect(await writer.record(item('a'))).toBe('destroyed');
      expect(told).toEqual([code, code, undefined]);
    },
  );

  test('a value that the ledger refuses is given up alone, the others are written', async () => {
    const { writer, told } = openWriter([failure('22021'), failure('22021')]);
    const written = await Promise.allSettled(['bad', 'good'].map((id) => writer.record(item(id))));
    expect(written.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    expect(told).toEqual([]);
  });

  test('attempts that were not sent are taken back in the same way', async () => {
    const { writer, asked } = openWriter([failure('ECONNRESET')]);
    await Promise.all([writer.release('a'), writer.release('b')]);
    const release = { name: 'release', ids: ['a', 'b'] };
    expect(asked).toEqual([release, release]);
  });
});

describe('giving up', () => {
  test('a ledger that says nothing is not waited for', async () => {
    const { writer } = openWriter(['nothing']);
    const written = writer.record(item('a'));
    writer.abandon();
    await expect(written).rejects.toThrow();
  });

  test('a ledger that is away is not asked again', async () => {
    const away = Array.from({ length: 100 }, () => failure('ECONNREFUSED'));
    const { writer, asked } = openWriter(away);
    const written = writer.record(item('a'));
    writer.abandon();
    await expect(written).rejects.toThrow('ECONNREFUSED');
    const { length } = asked;
    await expect(writer.record(item('b'))).rejects.toThrow();
    expect(asked.length).toBeLessThanOrEqual(length + 1);
  });

  test('what the ledger takes in the last moment is written', async () => {
    const { writer } = openWriter();
    writer.abandon();
    expect(await writer.record(item('a'))).toBe('destroyed');
  });
});
