/** Data that stays true by itself: asked for again and again, while somebody looks. */
import { createContext } from 'preact';
import { useCallback, useContext, useEffect, useRef, useState } from 'preact/hooks';
import { ask, Problem } from './api';

export interface Asked<T> {
  /** The last that is known; undefined: nothing yet. */
  value: T | undefined;
  /** When that was true. */
  at: Date | undefined;
  /** Why the last question had no answer. */
  problem: Problem | undefined;
  /** Asks at once. */
  again: () => void;
}

/** Told where the session has ended. */
export const SessionEnded = createContext<() => void>(() => undefined);

/** After a failure it is asked less often, and after a refusal hardly ever, in milliseconds. */
const afterFailureMs = 3_000;
const afterRefusalMs = 30_000;

/**
 * @param path - undefined: nothing is asked.
 * @param everyMs - pause after an answer; undefined: once.
 */
export function useAsked<T>(path: string | undefined, everyMs?: number): Asked<T> {
  const onEnded = useContext(SessionEnded);
  const [known, setKnown] = useState<Omit<Asked<T>, 'again'> & { path: string | undefined }>({
    ...{ path, value: undefined, at: undefined, problem: undefined },
  });
  const askNow = useRef<() => void>(() => undefined);
  const again = useCallback(() => askNow.current(), []);

  useEffect(() => {
    if (path === undefined) return;
    const leaving = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let etag: string | undefined;
    let isAsking = false;
    async function look(): Promise<void> {
      if (isAsking || path === undefined) return;
      clearTimeout(timer);
      // Who does not look asks nothing.
      if (document.hidden) return;
      isAsking = true;
      let nextMs = everyMs;
      try {
        const answer = await ask<T>(path, { etag, signal: leaving.signal });
        etag = answer?.etag ?? etag;
        setKnown((before) => ({
          ...{ path, at: new Date(), problem: undefined },
          value: answer?.value ?? (before.path === path ? before.value : undefined),
        }));
      } catch (error) {
        if (leaving.signal.aborted) return;
        const problem =
          error instanceof Problem ? error : new Problem(0, { detail: String(error) });
        if (problem.status === 401) {
          onEnded();
          return;
        }
        setKnown((before) => ({
          ...(before.path === path ? before : { value: undefined, at: undefined }),
          ...{ path, problem },
        }));
        // What was wrong with the question stays wrong.
        const passes = problem.status === 0 || problem.status === 429 || problem.status >= 500;
        if (passes) nextMs = Math.max(everyMs ?? 0, afterFailureMs);
        else if (everyMs !== undefined) nextMs = Math.max(everyMs, afterRefusalMs);
      } finally {
        isAsking = false;
      }
      if (nextMs !== undefined && !leaving.signal.aborted)
        timer = setTimeout(() => void look(), nextMs);
    }
    const onVisible = () => {
      if (!document.hidden) void look();
    };
    askNow.current = () => {
      etag = undefined;
      void look();
    };
    void look();
    document.addEventListener('visibilitychange', onVisible);
    return () => {
      leaving.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', onVisible);
    };
  }, [path, everyMs, onEnded]);

  const isOfPath = known.path === path;
  return {
    value: isOfPath ? known.value : undefined,
    at: isOfPath ? known.at : undefined,
    problem: isOfPath ? known.problem : undefined,
    again,
  };
}

export interface Pages<T> {
  rows: T[];
  problem: Problem | undefined;
  isLoading: boolean;
  hasMore: boolean;
  more: () => void;
  /** Reads the first page again. */
  again: () => void;
}

/**
 * A list page by page.
 *
 * @param path - of the first page, with its filters.
 * @param name - of its rows in an answer, beside the cursor of the next page in `next`.
 */
export function usePages<T>(path: string | undefined, name: string): Pages<T> {
  const onEnded = useContext(SessionEnded);
  const [state, setState] = useState<{
    path: string | undefined;
    rows: T[];
    next: string | null;
    problem: Problem | undefined;
    isLoading: boolean;
  }>({ path, rows: [], next: null, problem: undefined, isLoading: true });
  const leaving = useRef(new AbortController());

  const load = useCallback(
    async (cursor: string | undefined, before: T[], signal: AbortSignal) => {
      if (path === undefined) return;
      setState({ path, rows: before, next: null, problem: undefined, isLoading: true });
      const separator = path.includes('?') ? '&' : '?';
      const asked =
        cursor === undefined ? path : `${path}${separator}cursor=${encodeURIComponent(cursor)}`;
      try {
        const answer = await ask<Record<string, unknown>>(asked, { signal });
        const rows = [...before, ...((answer?.value[name] ?? []) as T[])];
        const next = (answer?.value['next'] ?? null) as string | null;
        setState({ path, rows, next, problem: undefined, isLoading: false });
      } catch (error) {
        if (signal.aborted) return;
        const problem =
          error instanceof Problem ? error : new Problem(0, { detail: String(error) });
        if (problem.status === 401) {
          onEnded();
          return;
        }
        setState({ path, rows: before, next: cursor ?? null, problem, isLoading: false });
      }
    },
    [path, name, onEnded],
  );

  useEffect(() => {
    leaving.current = new AbortController();
    void load(undefined, [], leaving.current.signal);
    return () => leaving.current.abort();
  }, [load]);

  const isOfPath = state.path === path;
  const { next, rows } = state;
  return {
    rows: isOfPath ? rows : [],
    problem: isOfPath ? state.problem : undefined,
    isLoading: isOfPath ? state.isLoading : true,
    hasMore: isOfPath && next !== null,
    more: () => {
      if (next !== null) void load(next, rows, leaving.current.signal);
    },
    again: () => void load(undefined, [], leaving.current.signal),
  };
}

/** Something that is done once a button is pressed. */
export interface Doing {
  isBusy: boolean;
  problem: Problem | undefined;
  /** @returns whether it was done. */
  run: (work: () => Promise<void>) => Promise<boolean>;
  forget: () => void;
}

export function useDoing(): Doing {
  const onEnded = useContext(SessionEnded);
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | undefined>();
  const run = useCallback(
    async (work: () => Promise<void>) => {
      setBusy(true);
      setProblem(undefined);
      try {
        await work();
        return true;
      } catch (error) {
        const found = error instanceof Problem ? error : new Problem(0, { detail: String(error) });
        if (found.status === 401) onEnded();
        setProblem(found);
        return false;
      } finally {
        setBusy(false);
      }
    },
    [onEnded],
  );
  const forget = useCallback(() => setProblem(undefined), []);
  return { isBusy, problem, run, forget };
}
