/**
 * A server for the tests that counts what arrives, in a process of its own, so that
 * nothing a test does delays its clock. It checks signature and parameters with its own
 * code, destroys rooms, and answers by a script where a room has one.
 *
 * Every room exists until it is destroyed.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';

/** What one request for a room is answered; `acts`: the room is destroyed all the same. */
export type ScriptedAnswer = { latencyMs?: number } & (
  | { kind: 'usual' }
  /** An ErrorCode. */
  | { kind: 'code'; code: number; acts?: boolean }
  /** An HTTP status with a page of HTML. */
  | { kind: 'status'; status: number; acts?: boolean }
  /** The connection is cut without an answer. */
  | { kind: 'cut'; acts?: boolean }
  /** No answer, ever. */
  | { kind: 'hang'; acts?: boolean }
  /** A body that is not JSON. */
  | { kind: 'garbage'; acts?: boolean }
  /** Destroyed, and no `Response` in the answer. */
  | { kind: 'noresponse' }
  /** 100004: the room never existed. */
  | { kind: 'unknown' }
);

export type TotalName =
  | 'TotalViewers'
  | 'TotalGiftsSent'
  | 'TotalGiftCoins'
  | 'TotalUniqueGiftSenders'
  | 'TotalLikesReceived';

export interface CountingServerOptions {
  sdkAppId: number;
  secretKey: string;
  adminIdentifier: string;
  /** The answers to the first requests for a room; those after them are answered as usual. */
  scripts?: Record<string, ScriptedAnswer[]>;
  /** Every answer comes this much later. */
  latencyMs?: number;
}

export interface ServerRequest {
  /** When it arrived, on the server's own monotonic clock, in milliseconds. */
  atMs: number;
  requestId: string;
  /** Absent where the request was refused. */
  roomId?: string;
  answer?: ScriptedAnswer['kind'];
  httpStatus?: number;
  errorCode?: number;
  /** Whether the answer held the room's statistics. */
  toldTotals?: boolean;
}

export interface ServerReport {
  /** In the order of their arrival. */
  requests: ServerRequest[];
  /** The truth about every room asked for; totals as decimal text. */
  rooms: Record<
    string,
    { requests: number; destroyed: boolean; totals: Record<TotalName, string> }
  >;
  /** Most arrivals in any sliding 1,000 ms. */
  worstWindow: number;
  /** Rules of the documentation that requests broke. */
  problems: string[];
  /** Every UserSig that arrived: what must not be found anywhere else. */
  signatures: string[];
  differentRandoms: number;
  /** TCP connections that were made. */
  connections: number;
}

/** What the whole service does from now on, before every script of a room. */
export interface ServiceFault {
  answer: ScriptedAnswer;
  /** Share of the requests that meet it, from 0 to 1. */
  share: number;
}

export type ToServer =
  | { type: 'report'; id: number }
  | { type: 'fault'; id: number; fault: ServiceFault | null }
  | { type: 'reach'; id: number; count: number };
export type FromServer =
  | { type: 'listening'; port: number }
  | { type: 'report'; id: number; report: ServerReport }
  | { type: 'fault'; id: number; atMs: number }
  | { type: 'reached'; id: number };

export interface CountingServer {
  readonly url: string;
  /** Resolves once so many requests have arrived, in all. */
  reached(count: number): Promise<void>;
  report(): Promise<ServerReport>;
  /** A fault for every room from now on; null ends it. @returns when, on the server's clock. */
  setFault(fault: ServiceFault | null): Promise<number>;
  close(): Promise<void>;
}

export async function startCountingServer(options: CountingServerOptions): Promise<CountingServer> {
  const { script, remove } = compile();
  const child = fork(script, [JSON.stringify(options)], { execArgv: [] });
  const gone = once(child, 'exit');
  const waiting = new Map<number, (message: FromServer) => void>();
  let lastId = 0;
  const port = new Promise<number>((resolve, reject) => {
    child.on('message', (message: FromServer) => {
      if (message.type === 'listening') resolve(message.port);
      else waiting.get(message.id)?.(message);
    });
    child.once('error', reject);
    child.once('exit', () => reject(new Error('the counting server ended')));
  });

  const ask = (
    message:
      | { type: 'report' }
      | { type: 'fault'; fault: ServiceFault | null }
      | { type: 'reach'; count: number },
  ) =>
    new Promise<FromServer>((resolve) => {
      const id = (lastId += 1);
      waiting.set(id, (answer) => {
        waiting.delete(id);
        resolve(answer);
      });
      child.send({ ...message, id });
    });

  try {
    return {
      url: `http://127.0.0.1:${await port}`,
      async reached(count) {
        await ask({ type: 'reach', count });
      },
      async report() {
        const answer = await ask({ type: 'report' });
        if (answer.type !== 'report') throw new Error('the counting server gave no report');
        return answer.report;
      },
      async setFault(fault) {
        const answer = await ask({ type: 'fault', fault });
        return answer.type === 'fault' ? answer.atMs : Number.NaN;
      },
      close: () => end(child, gone),
    };
  } finally {
    // The process has read it by now, or has ended.
    remove();
  }
}

async function end(child: ChildProcess, gone: Promise<unknown>): Promise<void> {
  child.kill('SIGKILL');
  await gone;
}

/** As JavaScript, because Node 20 runs no .ts. */
function compile(): { script: string; remove: () => void } {
  const source = readFileSync(new URL('counting-server-process.ts', import.meta.url), 'utf8');
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: {
      module: ts.ModuleKind.ESNext,
      target: ts.ScriptTarget.ES2023,
      verbatimModuleSyntax: true,
    },
  });
  const folder = mkdtempSync(join(tmpdir(), 'room-reaper-test-'));
  const script = join(folder, 'counting-server.mjs');
  writeFileSync(script, outputText);
  return { script, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
