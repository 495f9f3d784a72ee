import type { IncomingMessage, ServerResponse } from 'node:http';
import { ReaperError } from '../errors.js';
import { readBody, send, sendJson } from './http.js';
import type { SimulatorReport } from './simulator-report.js';

/**
 * Switches for a simulator that runs elsewhere (staging, docker). Requests to them are no
 * arrivals. They ask for no credential: whoever can reach the simulator can use them.
 *
 *     GET    /simulator/report                 the report so far
 *     PUT    /simulator/fault                  body: faults for all rooms, `502=0.5`
 *     DELETE /simulator/fault                  end of those
 *     POST   /simulator/rooms                  body: rooms, one a line; destroyed ones exist again
 *     POST   /simulator/ended-rooms            body: rooms, one a line, that the system ends
 *     POST   /simulator/invalidate-signatures  UserSigs made earlier answer 70052
 */
export const controlPath = '/simulator/';

const longestRoomList = 64 * 1_024 * 1_024;

export interface Controlled {
  report(): SimulatorReport;
  /** A fault for all rooms from now on, before all others (`502`, `hang`, `70003`); undefined ends it. */
  setFault(spec: string | undefined): void;
  /** Like `kick`: UserSigs made earlier answer 70052, one made anew works (signatures.ts). */
  invalidateSignatures(): void;
  /** Creates rooms, also such as were destroyed; rows as in a rooms file. */
  addRooms(rows: Iterable<string>): void;
  /** Ends rooms that are live without a request, as the system does with empty ones. */
  endRooms(rows: Iterable<string>): void;
}

export async function answerControl(
  simulator: Controlled,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await readBody(request, longestRoomList);
  if (body === undefined) return;
  const command = `${request.method ?? ''} ${request.url ?? ''}`;
  try {
    switch (command) {
      case 'GET /simulator/report':
        sendJson(response, simulator.report());
        return;
      case 'PUT /simulator/fault':
        simulator.setFault(body.trim());
        break;
      case 'DELETE /simulator/fault':
        simulator.setFault(undefined);
        break;
      case 'POST /simulator/rooms':
        simulator.addRooms(body.split('\n'));
        break;
      case 'POST /simulator/ended-rooms':
        simulator.endRooms(body.split('\n'));
        break;
      case 'POST /simulator/invalidate-signatures':
        simulator.invalidateSignatures();
        break;
      default:
        send(response, 404, 'text/plain', 'no such switch\n');
        return;
    }
    send(response, 200, 'text/plain', 'done\n');
  } catch (error) {
    if (!(error instanceof ReaperError)) throw error;
    send(response, 400, 'text/plain', `${error.message}\n`);
  }
}
