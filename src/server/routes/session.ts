/** Signing in and out: a browser gives a token once, and has a cookie for it. */
import { z } from '@hono/zod-openapi';
import { setTimeout as sleep } from 'node:timers/promises';
import { isLink, roles } from '../../operations/tokens.js';
import { isoTime } from '../../text.js';
import { foreignSite, siteOf } from '../cookie.js';
import { unauthenticated } from '../guard.js';
import { createPlaces } from '../places.js';
import type { HttpProblem } from '../problem.js';
import { route } from '../route.js';
import { createSlowdown } from '../slowdown.js';

/** Who has a token that counts never waits, and takes no place. */
const slowdown = createSlowdown();
const takePlace = createPlaces(20, 'failed sign-ins');

/** Returns when a failed sign-in is answered. @throws HttpProblem 429 where too many wait. */
async function delayFailure(closing: AbortSignal): Promise<void> {
  const free = takePlace();
  try {
    await sleep(slowdown(), undefined, { signal: closing }).catch(() => undefined);
  } finally {
    free();
  }
}

function linkOver(): HttpProblem {
  return unauthenticated(
    'the sign-in link must not have been used yet, and be at most ten minutes old',
    'start room-reaper serve again, on a terminal, for another; or sign in with a token',
  );
}

export const signIn = route(
  {
    ...{ method: 'post', path: '/session', role: 'none' },
    summary: 'Gives a browser a cookie for a token, for twelve hours.',
    body: z.strictObject({
      token: z
        .string()
        .min(1)
        .max(1_000)
        .meta({ description: 'as it stands in Authorization, or of a sign-in link' }),
    }),
    answers: {
      200: {
        means: 'signed in; the cookie is in Set-Cookie',
        schema: z.object({ name: z.string(), role: z.enum(roles), expiresAt: z.string() }),
      },
    },
  },
  async ({ context: { cookie, sessions, closing }, request, body }) => {
    // Else a foreign page could sign its visitor in under a name of its own.
    if (siteOf(request) === 'foreign') throw foreignSite();
    const begun = await sessions.begin(body.token);
    if (begun === undefined) {
      await delayFailure(closing);
      throw isLink(body.token) ? linkOver() : unauthenticated('the token must be one that counts');
    }
    const before = cookie.read(request);
    if (before !== undefined) await sessions.end(before);
    const { principal, secret, expiresAtMs } = begun;
    return {
      json: { ...principal, expiresAt: isoTime(expiresAtMs) },
      headers: { 'Set-Cookie': cookie.write(request, secret) },
    };
  },
);

export const signOut = route(
  {
    ...{ method: 'delete', path: '/session', role: 'none' },
    summary: 'Ends the session of the cookie.',
    answers: { 204: { means: 'it has ended, or there was none' } },
  },
  async ({ context: { cookie, sessions }, request }) => {
    const secret = cookie.read(request);
    if (secret !== undefined) await sessions.end(secret);
    return { status: 204, headers: { 'Set-Cookie': cookie.write(request, undefined) } };
  },
);
