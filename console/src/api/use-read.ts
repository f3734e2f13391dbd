import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError, connection, send, signedIn } from "./client";

export const LIVE_EVERY = 5_000;
/** What comes into view again is read again, but not what was read a moment ago. */
const FRESH = 1_000;

export interface Read<T> {
  data: T | undefined;
  error: ApiError | undefined;
  /** Read again now: after a change of one's own. */
  refresh: () => Promise<void>;
}

/**
 * What is at this address: again every five seconds while `isLive` says that something is under way and the tab is
 * visible, and whenever the tab comes back or the API does. The browser's cache sends the ETag, so that nothing
 * travels where nothing has changed. Of an address that changes, the old answer stays until the new one is there.
 */
export function useRead<T>(url: string | null, isLive: (data: T) => boolean = () => false, body?: unknown): Read<T> {
  const [data, setData] = useState<T>();
  const [error, setError] = useState<ApiError>();
  const current = useRef({ url, isLive, body, readAt: 0 });
  current.current.isLive = isLive;
  const again = useRef<() => Promise<void>>(async () => {});
  const key = `${url} ${body === undefined ? "" : JSON.stringify(body)}`;

  useEffect(() => {
    if (url === null) return;
    const leaving = new AbortController();
    let timer = 0;
    let underWay: Promise<void> | null = null;
    let live = false;

    async function read(): Promise<void> {
      clearTimeout(timer);
      try {
        const found = (await send(body === undefined ? "get" : "post", url as string, body, leaving.signal)) as T;
        if (leaving.signal.aborted) return;
        live = current.current.isLive(found);
        setData(() => found);
        setError(undefined);
      } catch (problem) {
        if (leaving.signal.aborted) return;
        if (!(problem instanceof ApiError)) throw problem;
        // While the API is away a banner says so, and the page keeps what it has.
        if (problem.status !== 401 && problem.status !== 0) setError(problem);
      }
      current.current.readAt = Date.now();
      if (live && document.visibilityState === "visible") timer = setTimeout(start, LIVE_EVERY);
    }
    function start(): Promise<void> {
      underWay ??= read().finally(() => (underWay = null));
      return underWay;
    }
    function onVisible() {
      clearTimeout(timer);
      if (document.visibilityState === "visible" && Date.now() - current.current.readAt > FRESH) void start();
    }

    again.current = async () => {
      await underWay; // one that began before the change may not show it
      await start();
    };
    void start();
    document.addEventListener("visibilitychange", onVisible);
    addEventListener("focus", onVisible);
    const unwatch = [connection, signedIn].map((store) =>
      (store as typeof connection).watch((value: unknown) => {
        if (value === "up" || value === true) void start();
      }),
    );
    return () => {
      leaving.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", onVisible);
      removeEventListener("focus", onVisible);
      for (const stop of unwatch) stop();
    };
  }, [key]);

  const refresh = useCallback(() => again.current(), []);
  return { data, error, refresh };
}
