/** The frame: who is here, where one is, how the line stands. */
import type { ComponentChildren } from 'preact';
import { useCallback, useEffect, useErrorBoundary, useState } from 'preact/hooks';
import { ask, Problem } from './api';
import { SessionEnded, useAsked } from './asking';
import { Time } from './parts';
import { linkTo, usePlace } from './routing';
import { Actions } from './screens/actions';
import { BatchScreen } from './screens/batch';
import { Batches } from './screens/batches';
import { Errors } from './screens/errors';
import { LineScreen } from './screens/line';
import { forgetDrafts, NewBatch } from './screens/new-batch';
import { Quota } from './screens/quota';
import { RoomScreen } from './screens/room';
import { SignIn } from './screens/sign-in';
import { showInTab, stateOf } from './state';
import type { Me, Role, Status } from './types';
import { roleWords, screens } from './words';

const themes = ['system', 'light', 'dark'] as const;
type Theme = (typeof themes)[number];

const statusEveryMs = 1_000;

/** Which screens a role has any use for. The server refuses the rest all the same. */
function screensOf(role: Role): (keyof typeof screens)[] {
  const all = Object.keys(screens) as (keyof typeof screens)[];
  if (role === 'producer') return ['batches', 'new', 'room'];
  return all.filter((name) => role === 'operator' || !['new', 'actions'].includes(name));
}

/** A page cannot see its cookie. Asked without one, the server would say 401 to a first visit. */
const signedIn = 'signed-in';

const isSignInLink = () => location.hash.startsWith('#sign-in=');

/** A link that signs in does so for who is signed in already, too. */
function mustSignIn(): boolean {
  return isSignInLink() || localStorage.getItem(signedIn) === null;
}

export function App() {
  const [me, setMe] = useState<Me | undefined>();
  const [isSignedOut, setSignedOut] = useState(mustSignIn);
  const [problem, setProblem] = useState<Problem | undefined>();
  const [why, setWhy] = useState<string | undefined>();

  const load = useCallback(async () => {
    try {
      const answer = await ask<Me>('v1/me');
      setMe(answer?.value);
      localStorage.setItem(signedIn, 'yes');
      setSignedOut(false);
      setProblem(undefined);
      setWhy(undefined);
    } catch (error) {
      if (error instanceof Problem && error.status === 401) setSignedOut(true);
      else if (error instanceof Problem) setProblem(error);
    }
  }, []);
  const onEnded = useCallback(() => {
    setWhy('The session has ended: it is over, or its token was revoked.');
    setSignedOut(true);
    localStorage.removeItem(signedIn);
  }, []);

  useEffect(() => {
    if (!mustSignIn()) void load();
    const follow = () => {
      if (isSignInLink()) setSignedOut(true);
    };
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, [load]);
  useEffect(() => {
    if (problem === undefined || me !== undefined) return;
    const timer = setTimeout(() => void load(), 3_000);
    return () => clearTimeout(timer);
  }, [problem, me, load]);

  if (isSignedOut) return <SignIn why={why} onSignedIn={() => void load()} />;
  if (me === undefined) {
    return (
      <main class="lonely">
        <h1>room-reaper</h1>
        <p role="status">
          {problem === undefined ? 'Looking …' : `${problem.message}. It is asked again.`}
        </p>
      </main>
    );
  }
  return (
    <SessionEnded.Provider value={onEnded}>
      <Frame me={me} onSignedOut={() => setSignedOut(true)} />
    </SessionEnded.Provider>
  );
}

function Frame({ me, onSignedOut }: { me: Me; onSignedOut: () => void }) {
  const place = usePlace();
  const maySee = me.role !== 'producer';
  const status = useAsked<Status>(maySee ? 'v1/status' : undefined, statusEveryMs);
  const state = stateOf(status.value, status.problem);
  const allowed = screensOf(me.role);
  const name = allowed.find((each) => each === place.screen) ?? allowed[0] ?? 'batches';
  const title = screens[name];
  useEffect(() => {
    if (maySee) showInTab(state, title);
    else document.title = `${title} · room-reaper`;
  });
  useEffect(() => {
    document.getElementById('main')?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, [place.screen, place.id]);
  const { server } = me;
  const isQuiet = state.kind === 'running' || state.kind === 'idle' || state.kind === 'loading';
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        To the content
      </a>
      <header>
        {server.label !== null && (
          <p class={`label label-${server.label.colour}`}>{server.label.text}</p>
        )}
        <div class="top">
          <div class="identity">
            <strong>room-reaper</strong>
            <span class="app">
              app {server.sdkAppId} · {server.endpoint.replace(/^https?:\/\//, '')}
            </span>
          </div>
          <nav aria-label="Screens">
            {allowed.map((each) => (
              <a key={each} href={linkTo(each)} aria-current={each === name ? 'page' : undefined}>
                {screens[each]}
              </a>
            ))}
          </nav>
          <div class="account">
            <span title={roleWords[me.role]}>
              {me.name} <span class="role">{me.role}</span>
            </span>
            <ThemeButton />
            <button type="button" onClick={() => void signOut(onSignedOut)}>
              Sign out
            </button>
          </div>
        </div>
      </header>
      {maySee && (
        <div class="strip" role="status">
          {name !== 'line' && !isQuiet && (
            <a class={`strip-state state-${state.kind}`} href={linkTo('line')}>
              {state.title}
            </a>
          )}
          {status.problem !== undefined && status.at !== undefined && (
            <span class="stale">
              {status.problem.message}; shown is what was known at <Time at={status.at} />
            </span>
          )}
        </div>
      )}
      <main id="main" tabIndex={-1}>
        <h1>{title}</h1>
        <Guarded key={`${place.screen}/${place.id ?? ''}`}>
          {name === 'line' && <LineScreen me={me} status={status} state={state} />}
          {name === 'batches' && place.id === undefined && <Batches me={me} place={place} />}
          {name === 'batches' && place.id !== undefined && (
            <BatchScreen key={place.id} me={me} id={place.id} place={place} />
          )}
          {name === 'new' && <NewBatch me={me} />}
          {name === 'room' && <RoomScreen me={me} place={place} />}
          {name === 'errors' && <Errors me={me} place={place} />}
          {name === 'quota' && <Quota me={me} place={place} />}
          {name === 'actions' && <Actions />}
        </Guarded>
      </main>
      <footer>room-reaper {server.version} · times are local, UTC where the pointer rests</footer>
    </>
  );
}

/** A mistake of ours in one screen leaves the others, and says so. */
function Guarded({ children }: { children: ComponentChildren }) {
  const [error] = useErrorBoundary() as [unknown, () => void];
  if (error === undefined) return <>{children}</>;
  return (
    <div class="trouble" role="alert">
      <strong>This screen failed.</strong> It is a mistake of ours; nothing was done by it. Load the
      page again. ({error instanceof Error ? error.message : ''})
    </div>
  );
}

/** A fragment of its own would be another screen. */
function skip(event: Event): void {
  event.preventDefault();
  document.getElementById('main')?.focus();
}

async function signOut(onSignedOut: () => void): Promise<void> {
  await ask('session', { method: 'DELETE' }).catch(() => undefined);
  localStorage.removeItem(signedIn);
  forgetDrafts();
  onSignedOut();
}

function readTheme(): Theme {
  const kept = localStorage.getItem('theme');
  return themes.find((each) => each === kept) ?? 'system';
}

function ThemeButton() {
  const [theme, setTheme] = useState(readTheme);
  useEffect(() => {
    document.documentElement.dataset['theme'] = theme;
    localStorage.setItem('theme', theme);
  }, [theme]);
  return (
    <label class="theme">
      <span class="hidden">Theme</span>
      <select
        value={theme}
        onChange={(event) =>
          setTheme(themes.find((each) => each === event.currentTarget.value) ?? 'system')
        }
      >
        {themes.map((each) => (
          <option key={each} value={each}>
            {each}
          </option>
        ))}
      </select>
    </label>
  );
}
