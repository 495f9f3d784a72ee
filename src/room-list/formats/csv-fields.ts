import { parse } from 'csv-parse/sync';

/**
 * The fields of whole, well-quoted CSV rows joined by newlines, as Latin-1 text (one
 * character a byte). Rows may have different numbers of fields: the caller checks them.
 * Throws csv-parse's error on a bad quote.
 */
export function csvFields(rows: string): string[][] {
  return parse(Buffer.from(rows, 'latin1'), {
    encoding: 'latin1',
    record_delimiter: '\n',
    relax_column_count: true,
  });
}
