import type { ServerResponse } from 'node:http';
import { errorInfoOf } from './error-codes.js';
import type { Statistic } from './statistics.js';

/** `Response.RoomInfo` of get_room_info (https://trtc.io/document/63404). */
export interface RoomInfo {
  RoomId: string;
  RoomName: string;
  RoomType: 'Live';
  Owner_Account: string;
  /** Seconds since 1970. */
  CreateTime: number;
  IsSeatEnabled: boolean;
  TakeSeatMode: 'ApplyToTake';
  MaxSeatCount: number;
  MaxMemberCount: number;
  IsMessageDisabled: boolean;
  CoverURL: string;
  Category: number[];
  ActivityStatus: number;
  ViewCount: number;
  IsPublicVisible: boolean;
}

/** How a request ends, as its sender sees it. */
export type Answer =
  | { kind: 'destroyed'; statistic: Statistic }
  | { kind: 'noresponse' }
  | { kind: 'info'; info: RoomInfo }
  | { kind: 'code'; code: number }
  | { kind: 'status'; status: number }
  | { kind: 'cut' | 'hang' | 'stall' | 'garbage' };

/** The key it is counted under in the report: the ErrorCode, HTTP status or fault word. */
export function wordOf(answer: Answer): string {
  switch (answer.kind) {
    case 'destroyed':
    case 'info':
      return '0';
    case 'code':
      return String(answer.code);
    case 'status':
      return String(answer.status);
    case 'noresponse':
    case 'cut':
    case 'hang':
    case 'stall':
    case 'garbage':
      return answer.kind;
  }
}

/** Writes `answer`. Except for HTTP faults the status is 200 and the result is in the body. */
export function sendAnswer(response: ServerResponse, answer: Answer, requestId: string): void {
  if (response.destroyed) return;
  switch (answer.kind) {
    case 'destroyed':
      sendJson(response, success(requestId, { Statistic: answer.statistic }));
      return;
    case 'info':
      sendJson(response, success(requestId, { RoomInfo: answer.info }));
      return;
    case 'noresponse':
      sendJson(response, success(requestId));
      return;
    case 'code':
      sendJson(response, {
        ErrorCode: answer.code,
        ErrorInfo: errorInfoOf(answer.code),
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

export function sendJson(response: ServerResponse, value: unknown): void {
  send(response, 200, 'application/json', JSON.stringify(value));
}

export function send(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}

function success(
  requestId: string,
  response?: { Statistic: Statistic } | { RoomInfo: RoomInfo },
): object {
  return {
    ErrorCode: 0,
    ErrorInfo: '',
    ActionStatus: 'OK',
    RequestId: requestId,
    ...(response && { Response: response }),
  };
}
