import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { address, isSameOrigin } from "../api/client";
import { useQuery } from "../router";
import { sentence } from "../ui/action";
import { Section } from "../ui/page";
import { clockTime } from "../ui/times";
import { atLevel, hitsOf, inView, LEVELS, type Row } from "./log-lines";
import { useLog } from "./use-log";

const ROW = 18;
/** As near to the end as this counts as being there. */
const NEAR = 2 * ROW;

/** The log: only the rows in view are in the page, however many there are. */
export function Log({ runId, isOver }: { runId: string; isOver: boolean }) {
  const log = useLog(runId, isOver);
  const [level, setLevel] = useQuery("level");
  const [text, setText] = useState("");
  const [current, setCurrent] = useState(0);
  const [isFollowing, setFollowing] = useState(true);
  const [view, setView] = useState({ top: 0, height: 560 });
  const box = useRef<HTMLDivElement>(null);

  const count = log.rows.length;
  const rows = useMemo(() => atLevel(log.rows, Number(level)), [count, level]);
  const hits = useMemo(() => hitsOf(rows, text), [rows, rows.length, text]);
  const hitSet = useMemo(() => new Set(hits), [hits]);
  const hit = hits[Math.min(current, hits.length - 1)];

  useLayoutEffect(() => {
    if (isFollowing && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [rows.length, isFollowing]);
  useEffect(() => {
    if (hit === undefined || !box.current) return;
    setFollowing(false);
    box.current.scrollTop = Math.max(0, hit * ROW - box.current.clientHeight / 2);
  }, [hit, text]);

  function onScroll() {
    const { scrollTop, clientHeight, scrollHeight } = box.current as HTMLDivElement;
    setView({ top: scrollTop, height: clientHeight });
    setFollowing(scrollHeight - scrollTop - clientHeight < NEAR);
  }
  function onKey(event: KeyboardEvent) {
    if (event.key !== "Enter" || !hits.length) return;
    event.preventDefault();
    setCurrent((Math.min(current, hits.length - 1) + (event.shiftKey ? hits.length - 1 : 1)) % hits.length);
  }

  const [from, until] = inView(rows.length, view.top, view.height, ROW);
  return (
    <Section
      title="Logs"
      note={`${rows.length.toLocaleString("en-GB")} ${rows.length === 1 ? "line" : "lines"}${log.isComplete ? "" : " so far…"}`}
    >
      <div class="tools">
        <label>
          <span class="hidden-label">Search the log</span>
          <input
            type="search"
            data-search
            size={30}
            placeholder="Search the log  /"
            value={text}
            onInput={(event) => {
              setText(event.currentTarget.value);
              setCurrent(0);
            }}
            onKeyDown={onKey}
          />
        </label>
        <span class="dim" role="status">
          {text &&
            (hits.length ? `${Math.min(current, hits.length - 1) + 1} of ${hits.length}: Enter goes on` : "not found")}
        </span>
        <label>
          <span class="hidden-label">Level</span>
          <select
            value={level || "0"}
            onChange={(event) => setLevel(event.currentTarget.value === "0" ? "" : event.currentTarget.value)}
          >
            {LEVELS.map(([value, word]) => (
              <option key={value} value={String(value)}>
                {word}
              </option>
            ))}
          </select>
        </label>
        <label>
          <input
            type="checkbox"
            checked={isFollowing}
            onChange={(event) => setFollowing(event.currentTarget.checked)}
          />
          Follow
        </label>
        {isSameOrigin && count > 0 && (
          <a href={address("/flow_runs/{id}/logs/download", { id: runId })} download>
            Download
          </a>
        )}
      </div>
      {log.error && (
        <p class="fault" role="alert">
          {sentence(log.error)}
        </p>
      )}
      {rows.length === 0 ? (
        <p class="empty" aria-busy={!log.isComplete || undefined}>
          {log.isComplete
            ? level
              ? "No lines at this level."
              : isOver
                ? "It has said nothing."
                : "It has said nothing yet."
            : "Loading…"}
        </p>
      ) : (
        <div class="log" ref={box} tabIndex={0} role="region" aria-label="Log lines" onScroll={onScroll}>
          <ol style={{ height: `${rows.length * ROW}px` }}>
            {rows.slice(from, until).map((row, offset) => (
              <Line
                key={from + offset}
                row={row}
                top={(from + offset) * ROW}
                mark={hitSet.has(from + offset) ? (hit === from + offset ? "is-hit is-current" : "is-hit") : ""}
              />
            ))}
          </ol>
        </div>
      )}
    </Section>
  );
}

function Line({ row, top, mark }: { row: Row; top: number; mark: string }) {
  const tone = row.level >= 40 ? "is-bad" : row.level >= 30 ? "is-warn" : "";
  return (
    <li class={`${tone} ${mark}`} style={{ top: `${top}px` }}>
      <time>{row.isMore ? "        " : clockTime(row.at)}</time>
      <span>{row.text || " "}</span>
    </li>
  );
}
