import type { ComponentChildren } from "preact";
import type { RunRow } from "../api/types";
import { isOver } from "../api/types";
import { to } from "../router";
import { RunState } from "../ui/state";
import { type Column, Table } from "../ui/table";
import { Took, When } from "../ui/time";

type Part = "deployment" | "pool" | "words";

interface Props {
  runs: readonly RunRow[];
  empty: ComponentChildren;
  label?: string;
  /** What the page is about anyway. */
  without?: Part[];
}

export function RunTable({ runs, empty, label = "Runs", without = [] }: Props) {
  const columns: (Column<RunRow> & { part?: Part })[] = [
    { name: "Run", kind: "keep", cell: (run) => <a href={to`/runs/${run.id}`}>{run.name}</a> },
    { name: "State", kind: "keep", cell: (run) => <RunState type={run.state_type} name={run.state_name} /> },
    { name: "Deployment", kind: "keep", part: "deployment", cell: (run) => <Origin run={run} /> },
    { name: "Says", kind: "wide", part: "words", cell: (run) => <span class="dim">{wordsOf(run)}</span> },
    {
      name: "Pool / queue",
      kind: "keep",
      part: "pool",
      cell: (run) =>
        run.work_pool_name && (
          <>
            <a href={to`/pools/${run.work_pool_name}`}>{run.work_pool_name}</a> / {run.work_queue_name}
          </>
        ),
    },
    { name: "Due", kind: "keep", cell: (run) => <When at={run.expected_start_time} /> },
    {
      name: "Ran",
      kind: "keep",
      cell: (run) => (
        <Took
          from={run.start_time === run.end_time ? null : run.start_time}
          until={isOver(run) ? (run.end_time ?? run.state_timestamp) : run.end_time}
        />
      ),
    },
  ];
  const hidden = runs.some(wordsOf) ? without : [...without, "words"];
  return (
    <Table
      label={label}
      rows={runs}
      id={(run) => run.id}
      empty={empty}
      columns={columns.filter(({ part }) => !part || !hidden.includes(part))}
    />
  );
}

/** That something is scheduled is told by its state and its time. */
const wordsOf = (run: RunRow): string | null => (run.state_name === "Scheduled" ? null : run.state_message);

function Origin({ run }: { run: RunRow }) {
  if (!run.deployment) return <>{run.flow.name}</>;
  return (
    <>
      <span class="dim">{run.flow.name} / </span>
      <a href={to`/deployments/${run.deployment.id}`}>{run.deployment.name}</a>
    </>
  );
}
