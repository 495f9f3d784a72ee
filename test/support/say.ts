/** One line on stderr, where it stands out from the reporter's lines on stdout. */
export function say(line: string): void {
  process.stderr.write(`test servers: ${line}\n`);
}
