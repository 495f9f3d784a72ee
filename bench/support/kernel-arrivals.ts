/**
 * When requests reach a server on loopback, by the kernel's clock: a server that shares its cores
 * with what it measures sees them later than they come, and several at once.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export interface KernelArrivals {
  /** @returns their instants so far, in milliseconds since the epoch, ascending. */
  stop(): Promise<number[]>;
}

/** The first eight bytes of a request are `POST /v4`. */
const isPost =
  'tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x504f5354 and tcp[((tcp[12:1] & 0xf0) >> 2) + 4:4] = 0x202f7634';

/** @returns undefined where there is no tcpdump, or it may not look (it needs root). */
export async function watchArrivals(url: string): Promise<KernelArrivals | undefined> {
  const filter = `tcp dst port ${new URL(url).port} and ${isPost}`;
  const tcpdump = spawn('tcpdump', ['-i', 'lo', '-n', '-q', '-tt', '-l', filter]);
  const ended = once(tcpdump, 'close').catch(() => undefined);
  const instants: number[] = [];
  createInterface({ input: tcpdump.stdout }).on('line', (line) => {
    // Interrupted, it ends the line that it may have begun.
    if (line !== '') instants.push(Number.parseFloat(line) * 1_000);
  });
  let said = '';
  const looks = new Promise<boolean>((resolve) => {
    tcpdump.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (said.includes('listening on')) resolve(true);
    });
    void ended.then(() => resolve(false));
  });
  if (!(await looks)) return undefined;
  return {
    async stop() {
      tcpdump.kill('SIGINT');
      await ended;
      if (!/\b0 packets dropped by kernel/.test(said))
        throw new Error(`tcpdump lost some: ${said}`);
      return instants.sort((a, b) => a - b);
    },
  };
}
