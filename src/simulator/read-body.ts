import type { IncomingMessage } from 'node:http';

/** Far above any destroy_room body; what is longer is read to its end and dropped. */
const LONGEST_BODY = 65_536;

/**
 * The body as text, '' when it is longer than `longest` characters; undefined when the
 * sender left before its end.
 */
export function readBody(
  request: IncomingMessage,
  longest = LONGEST_BODY,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => {
      if (text.length <= longest) text += chunk;
    });
    request.on('end', () => resolve(text.length > longest ? '' : text));
    request.on('error', () => resolve(undefined));
    request.on('close', () => resolve(undefined));
  });
}
