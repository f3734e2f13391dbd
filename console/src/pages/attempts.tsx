import type { AttemptStory, RunStory } from "../api/types";
import { useStore } from "../store";
import { Copy } from "../ui/copy";
import { Section } from "../ui/page";
import { Scroll } from "../ui/scroll";
import { Table } from "../ui/table";
import { At, now } from "../ui/time";
import { lasting } from "../ui/times";
import { barsOf, STAGES, type Stage, tickOf } from "./timeline";

const WIDTH = 900;
const LEFT = 78;
const ROW = 26;

/** All attempts on one axis of time, from the first claim. */
export function AttemptChart({ attempts }: { attempts: AttemptStory[] }) {
  const isOpen = attempts.some((attempt) => !attempt.ended_at);
  const current = useStore(now);
  const start = Math.min(...attempts.map((attempt) => Date.parse(attempt.began_at)));
  const rows = attempts.map((attempt) => ({
    attempt,
    bars: barsOf(attempt, isOpen ? Math.max(current, start) : start),
  }));
  const end = Math.max(start + 500, ...rows.flatMap(({ bars }) => bars.map((bar) => bar.until)));
  const span = (end - start) / 1000;
  const x = (at: number) => LEFT + ((at - start) / (end - start)) * (WIDTH - LEFT - 44);
  const tick = tickOf(span);
  const height = rows.length * ROW;
  const ticks = Array.from({ length: Math.floor(span / tick) + 1 }, (_, number) => number * tick);
  return (
    <Scroll label="Attempts over time">
      <svg class="timeline" viewBox={`0 0 ${WIDTH} ${height + 22}`} role="img" aria-label={inWords(attempts, span)}>
        {ticks.map((seconds) => (
          <g key={seconds}>
            <line x1={x(start + seconds * 1000)} x2={x(start + seconds * 1000)} y1="2" y2={height + 4} />
            <text x={x(start + seconds * 1000)} y={height + 18} text-anchor="middle">
              {seconds ? lasting(seconds) : "0"}
            </text>
          </g>
        ))}
        {rows.map(({ attempt, bars }, row) => (
          <g key={attempt.attempt_id} transform={`translate(0 ${row * ROW})`}>
            <text x="0" y="18">
              attempt {attempt.number}
            </text>
            {bars.map((bar) => (
              <rect
                key={bar.stage}
                class={`bar-${bar.stage}`}
                x={x(bar.from)}
                width={Math.max(2, x(bar.until) - x(bar.from))}
                y="6"
                height="15"
                rx="1"
              >
                <title>{`${STAGES[bar.stage]}: ${lasting((bar.until - bar.from) / 1000)}`}</title>
              </rect>
            ))}
          </g>
        ))}
      </svg>
      <div class="legend">
        {(Object.keys(STAGES) as Stage[]).map((stage) => (
          <span key={stage}>
            <svg viewBox="0 0 10 10" aria-hidden="true">
              <rect class={`bar-${stage}`} width="10" height="10" rx="1" />
            </svg>
            {STAGES[stage]}
          </span>
        ))}
      </div>
    </Scroll>
  );
}

function inWords(attempts: AttemptStory[], span: number): string {
  const each = attempts.map(
    (attempt) => `attempt ${attempt.number}: ${attempt.steps.at(-1)?.message ?? "nothing yet"}`,
  );
  return `${attempts.length} attempts over ${lasting(span)}. ${each.join(". ")}`;
}

interface Line {
  id: string;
  at: string;
  attempt: string;
  sinceStart: number | null;
  kind: string;
  message: string;
}

/** What happened when: the same lines as `skylift flow-run explain` prints. */
export function Timeline({ story }: { story: RunStory }) {
  const began = new Map(story.attempts.map((attempt) => [attempt.attempt_id, attempt]));
  const lines: Line[] = story.timeline.map((entry, number) => {
    const attempt = entry.attempt_id ? began.get(entry.attempt_id) : undefined;
    return {
      id: String(number),
      at: entry.at,
      attempt: attempt ? String(attempt.number) : "",
      sinceStart: attempt ? (Date.parse(entry.at) - Date.parse(attempt.began_at)) / 1000 : null,
      kind: entry.kind,
      message: entry.message,
    };
  });
  return (
    <>
      <Section title="Attempts">
        <Table
          label="Attempts"
          rows={story.attempts}
          id={(attempt) => attempt.attempt_id}
          empty="It has not been tried yet."
          columns={[
            { name: "Attempt", cell: (attempt) => attempt.number },
            { name: "Began", kind: "keep", cell: (attempt) => <At at={attempt.began_at} /> },
            { name: "Ended", kind: "keep", cell: (attempt) => <At at={attempt.ended_at} /> },
            {
              name: "Launch token",
              kind: "keep",
              cell: (attempt) => <Copy text={attempt.attempt_id} what="launch token" />,
            },
            {
              name: "At the provider",
              kind: "wide",
              cell: (attempt) => attempt.handle && <Copy text={attempt.handle} short={60} what="the provider's ID" />,
            },
            {
              name: "Links",
              kind: "keep",
              cell: (attempt) =>
                Object.entries(attempt.links).map(([what, url]) => (
                  <>
                    <a href={url} target="_blank" rel="noreferrer">
                      {what} ↗
                    </a>{" "}
                  </>
                )),
            },
          ]}
        />
      </Section>
      <Section title="What happened">
        <Table
          label="What happened"
          rows={lines}
          id={(line) => line.id}
          empty="Nothing yet."
          columns={[
            { name: "Time", kind: "keep", cell: (line) => <At at={line.at} /> },
            { name: "Attempt", cell: (line) => line.attempt },
            {
              name: "Since its start",
              kind: "keep",
              cell: (line) => (line.sinceStart === null ? "" : `+${lasting(line.sinceStart)}`),
            },
            { name: "What", kind: "keep", cell: (line) => line.kind },
            { name: "How", kind: "wide", cell: (line) => line.message },
          ]}
        />
      </Section>
    </>
  );
}
