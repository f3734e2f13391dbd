import { useEffect, useRef, useState } from "preact/hooks";
import { address, ApiError, connection, send } from "../api/client";
import type { LogPage } from "../api/types";
import { LIVE_EVERY } from "../api/use-read";
import { type Row, rowsOf } from "./log-lines";

const BATCH = 1_000;

export interface LogRead {
  rows: Row[];
  /** Whether all that there is has been read. */
  isComplete: boolean;
  error: ApiError | undefined;
}

/** All lines of a run, batch by batch, and then those that come, while the tab is visible and the run is not over. */
export function useLog(runId: string, isOver: boolean): LogRead {
  const rows = useRef<Row[]>([]);
  const cursor = useRef<string | null>(null);
  const [, setCount] = useState(0);
  const [isComplete, setComplete] = useState(false);
  const [error, setError] = useState<ApiError>();

  useEffect(() => {
    const leaving = new AbortController();
    let timer = 0;
    let isReading = false;
    let isDone = false;

    async function read() {
      if (isReading || isDone || leaving.signal.aborted) return;
      isReading = true;
      clearTimeout(timer);
      try {
        for (let more = true; more;) {
          const url = address("/skylift/flow_runs/{id}/logs", { id: runId }, { after: cursor.current, limit: BATCH });
          const page = (await send("get", url, undefined, leaving.signal)) as LogPage;
          for (const line of page.lines) rows.current.push(...rowsOf(line));
          cursor.current = page.cursor;
          more = page.more;
          isDone = page.done;
          setCount(rows.current.length);
          setComplete(!more);
        }
        setError(undefined);
      } catch (problem) {
        if (leaving.signal.aborted) return;
        if (!(problem instanceof ApiError)) throw problem;
        if (problem.status) setError(problem);
      } finally {
        isReading = false;
      }
      if (!isDone && document.visibilityState === "visible") timer = setTimeout(read, LIVE_EVERY);
    }
    function onVisible() {
      if (document.visibilityState === "visible") void read();
      else clearTimeout(timer);
    }

    void read();
    document.addEventListener("visibilitychange", onVisible);
    const unwatch = connection.watch((state) => state === "up" && void read());
    return () => {
      leaving.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", onVisible);
      unwatch();
    };
  }, [runId, isOver]);

  return { rows: rows.current, isComplete, error };
}
