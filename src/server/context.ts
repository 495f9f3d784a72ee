/** What all requests of a server share. */
import type { Logger } from 'pino';
import type { ListKeeper } from '../operations/list-keeper.js';
import type { Protection } from '../operations/rooms.js';
import type { Service } from '../operations/service.js';
import type { RoomEventTaker } from '../operations/webhook.js';
import type { SessionBook } from '../operations/sessions.js';
import type { TokenBook } from '../operations/tokens.js';
import type { Status } from '../operations/status.js';
import type { SessionCookie } from './cookie.js';
import type { Limits } from './limits.js';
import type { ServerMetrics } from './metrics.js';
import type { Snapshot } from './snapshot.js';

export interface ServerContext {
  service: Service;
  /** Where the paths begin: empty, or with a slash. */
  basePath: string;
  protection: Protection;
  keeper: ListKeeper;
  /** What the API tells of rooms that end. */
  events: RoomEventTaker;
  tokens: TokenBook;
  sessions: SessionBook;
  cookie: SessionCookie;
  log: Logger;
  /** How the service stands, as JSON: one for all who look. */
  status: Snapshot<Status>;
  /** What the doctor finds, as JSON: at most once a minute. */
  doctor: Snapshot;
  metrics: ServerMetrics;
  /** Why it is not ready, by store; nothing where all answer. */
  readiness: () => Promise<string[]>;
  limits: Limits;
  /** Aborts when the server is told to stop. */
  closing: AbortSignal;
}
