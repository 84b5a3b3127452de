import { useCallback, useEffect, useRef, useState } from 'react';

/** Something read from the API. `data` stays while it is read again, and when that fails. */
export interface Loaded<T> {
  data: T | null;
  /** Of the last reading; null when it went well. */
  error: unknown;
  loading: boolean;
  reload: () => Promise<void>;
}

/** Reads now, and again on `reload`. `load` has to be stable (useCallback): another one is another thing to read. */
export function useLoad<T>(load: () => Promise<T>): Loaded<T> {
  const [state, setState] = useState<{ data: T | null; error: unknown; loading: boolean }>({ data: null, error: null, loading: true });
  const turn = useRef(0);
  const reload = useCallback(async () => {
    const mine = ++turn.current; // of several at once only the last begun counts
    setState((was) => ({ ...was, loading: true }));
    try {
      const data = await load();
      if (mine === turn.current) setState({ data, error: null, loading: false });
    } catch (error) {
      if (mine === turn.current) setState((was) => ({ ...was, error, loading: false }));
    }
  }, [load]);
  useEffect(() => {
    void reload();
    return () => void turn.current++;
  }, [reload]);
  return { ...state, reload };
}

/** Something that the user starts: one at a time, its error kept until the next start. */
export interface Action<A extends unknown[]> {
  run: (...args: A) => Promise<void>;
  busy: boolean;
  error: unknown;
  clear: () => void;
}

export function useAction<A extends unknown[]>(act: (...args: A) => Promise<void>): Action<A> {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const running = useRef(false);
  const run = async (...args: A) => {
    if (running.current) return; // a second click while the first is under way
    running.current = true;
    setBusy(true);
    setError(null);
    try {
      await act(...args);
    } catch (e) {
      setError(e);
    } finally {
      running.current = false;
      setBusy(false);
    }
  };
  return { run, busy, error, clear: () => setError(null) };
}

/** Calls `tick` each `seconds` while the page is to be seen, and when it comes into view again. */
export function useWhileVisible(seconds: number, tick: () => void): void {
  useEffect(() => {
    const look = () => {
      if (document.visibilityState === 'visible') tick();
    };
    const timer = setInterval(look, seconds * 1000);
    document.addEventListener('visibilitychange', look);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', look);
    };
  }, [seconds, tick]);
}
