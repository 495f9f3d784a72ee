import type { ServerResponse } from 'node:http';
import { send, sendJson } from './http.js';
import type { Statistic } from './truth.js';

/** How a request ends, as its sender sees it. */
export type Answer =
  | { kind: 'destroyed'; statistic: Statistic; twice?: true }
  | { kind: 'noresponse' }
  /** `Response` of a command that reads. */
  | { kind: 'told'; response: object }
  | { kind: 'code'; code: number }
  | { kind: 'status'; status: number }
  | { kind: 'cut' | 'hang' | 'stall' | 'garbage' };

/** The key it is counted under in the report: the ErrorCode, HTTP status or fault word. */
export function wordOf(answer: Answer): string {
  if (answer.kind === 'code') return String(answer.code);
  if (answer.kind === 'status') return String(answer.status);
  return answer.kind === 'destroyed' || answer.kind === 'told' ? '0' : answer.kind;
}

/** Writes `answer`. Except for HTTP faults the status is 200 and the result is in the body. */
export function sendAnswer(response: ServerResponse, answer: Answer, requestId: string): void {
  if (response.destroyed) return;
  switch (answer.kind) {
    case 'destroyed':
      sendJson(response, success(requestId, { Statistic: answer.statistic }));
      if (answer.twice) setImmediate(sendAgain, response, requestId, answer.statistic);
      return;
    case 'told':
      sendJson(response, success(requestId, answer.response));
      return;
    case 'noresponse':
      sendJson(response, success(requestId));
      return;
    case 'code':
      sendJson(response, {
        ErrorCode: answer.code,
        ErrorInfo: errorInfos.get(answer.code) ?? `simulated error ${answer.code}`,
        ActionStatus: 'FAIL',
        RequestId: requestId,
      });
      return;
    case 'status':
      send(response, answer.status, 'text/html', `<html><h1>${answer.status}</h1></html>\n`);
      return;
    case 'garbage':
      send(response, 200, 'application/json', '<html>this is not JSON</html>\n');
      return;
    case 'stall': {
      const text = JSON.stringify(success(requestId));
      response.writeHead(200, {
        'content-type': 'application/json',
        'content-length': text.length,
      });
      response.write(text.slice(0, text.length / 2));
      return;
    }
    case 'cut':
      response.destroy();
      return;
    case 'hang':
      return;
  }
}

/** Past Node's server, which writes one answer to one request. */
function sendAgain({ req }: ServerResponse, requestId: string, statistic: Statistic): void {
  const text = JSON.stringify(success(requestId, { Statistic: statistic }));
  const head = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}`;
  if (req.socket.writable) req.socket.write(`${head}\r\n\r\n${text}`);
}

function success(requestId: string, response?: object): object {
  return {
    ErrorCode: 0,
    ErrorInfo: '',
    ActionStatus: 'OK',
    RequestId: requestId,
    ...(response && { Response: response }),
  };
}

/** What the simulator says in `ErrorInfo`, in its own words. Never a part of the query. */
const errorInfos: ReadonlyMap<number, string> = new Map([
  [60002, 'the URL must be POST /v4/SERVICE/COMMAND'],
  [60003, 'the body must be JSON'],
  [60006, 'sdkappid must be a positive integer'],
  [60007, 'this REST API is called over its frequency limit'],
  [60009, 'no such service or command here'],
  [60010, 'the identifier must be an app administrator'],
  [60012, 'sdkappid is missing'],
  [60025, 'a URL parameter is missing, repeated or wrong'],
  [70001, 'the UserSig has expired'],
  [70002, 'the UserSig is empty'],
  [70003, 'the UserSig is illegal'],
  [70005, 'the UserSig is truncated'],
  [70009, 'the UserSig was made with another key'],
  [70013, 'the UserSig was made for another identifier'],
  [70014, 'the UserSig was made for another SDKAppID'],
  [70020, 'no such SDKAppID'],
  [70052, 'the UserSig was made invalid'],
  [100001, 'internal error, try again'],
  [100002, 'invalid parameter'],
  [100004, 'the room does not exist'],
  [100006, 'no permission'],
]);
