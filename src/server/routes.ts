/** The table of routes: nothing else is served. */
import type { ApiFacts } from './openapi.js';
import { pages } from './pages.js';
import type { Route } from './route.js';
import { basicRoutes } from './routes/basics.js';
import { batch, batches, batchRooms } from './routes/batches.js';
import { auditRoute, doctor, errors, history } from './routes/insight.js';
import { destroyList, destroyRoom } from './routes/requests.js';
import { actions, cancelBatch, cancelRooms, pauseQueue, resumeQueue } from './routes/control.js';
import { liveRooms } from './routes/live-rooms.js';
import { replays } from './routes/replays.js';
import { report } from './routes/report.js';
import { explainRoom } from './routes/rooms.js';
import { signIn, signOut } from './routes/session.js';
import { status } from './routes/status.js';
import { webhook } from './routes/webhook.js';

export function allRoutes(facts: ApiFacts): Route[] {
  return basicRoutes(
    [
      status,
      explainRoom,
      destroyRoom,
      batches,
      destroyList,
      batch,
      batchRooms,
      report,
      liveRooms,
      errors,
      history,
      auditRoute,
      doctor,
      pauseQueue,
      resumeQueue,
      cancelRooms,
      cancelBatch,
      replays,
      actions,
      signIn,
      signOut,
      webhook,
      ...pages,
    ],
    facts,
  );
}
