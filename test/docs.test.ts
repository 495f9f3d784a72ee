import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { useLedger } from './ledger/fixture.js';

const ledger = useLedger();

test('every SQL statement of docs/operations.md runs on the ledger', async () => {
  const operations = readFileSync(new URL('../docs/operations.md', import.meta.url), 'utf8');
  const statements = [...operations.matchAll(/^```sql\n(.*?)^```/gms)].map(([, sql = '']) => sql);
  expect(statements.length).toBeGreaterThan(5);
  for (const sql of statements) await ledger.sql(sql);
});
