/** How a counting server writes its answers. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { ScriptedAnswer, ServerRequest } from './counting-server.js';

export interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  /** What the report says of it. */
  entry: ServerRequest;
}

/** Whether it is answered by what becomes of the room. */
export function isUsual(answer: ScriptedAnswer | undefined): boolean {
  return answer?.kind === 'usual' || answer?.kind === 'noresponse' || answer?.kind === 'twice';
}

export function fail(exchange: Exchange, code: number): void {
  exchange.entry.errorCode = code;
  const body = {
    ErrorCode: code,
    ErrorInfo: `said code ${code}`,
    ActionStatus: 'FAIL',
    RequestId: exchange.entry.requestId,
  };
  send(exchange, 200, JSON.stringify(body));
}

/**
 * Answers by the script.
 *
 * @param usual - what it would be without one: an ErrorCode, or the JSON of `Response`.
 */
export function answer(exchange: Exchange, scripted: ScriptedAnswer, usual: number | string): void {
  const { request, entry } = exchange;
  if (isUsual(scripted) && typeof usual === 'number') {
    fail(exchange, usual);
    return;
  }
  switch (scripted.kind) {
    case 'unknown':
      fail(exchange, 100004);
      break;
    case 'code':
      fail(exchange, scripted.code);
      break;
    case 'status':
      send(exchange, scripted.status, '<html>no</html>');
      break;
    case 'cut':
      request.socket.destroy();
      break;
    case 'hang':
      break;
    case 'garbage':
      send(exchange, 200, '{"ErrorCode":0,');
      break;
    case 'noresponse':
    case 'twice':
    case 'usual': {
      entry.errorCode = 0;
      entry.toldTotals = scripted.kind !== 'noresponse';
      const response = entry.toldTotals ? `,"Response":${usual}` : '';
      const text = `{"ErrorCode":0,"ErrorInfo":"","ActionStatus":"OK","RequestId":"${entry.requestId}"${response}}`;
      send(exchange, 200, text);
      if (scripted.kind === 'twice') setTimeout(again, scripted.againMs, request.socket, text);
      break;
    }
    default:
      scripted satisfies never;
  }
}

function send({ response, entry }: Exchange, status: number, text: string): void {
  entry.httpStatus = status;
  response.writeHead(status, { 'content-type': 'application/json' }).end(text);
}

/** Past Node's server, which writes one answer to one request. */
function again(socket: Socket, text: string): void {
  if (socket.destroyed) return;
  socket.write(
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
}
