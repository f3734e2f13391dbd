import { useState } from "preact/hooks";
import { address, send } from "../api/client";
import type { DeploymentRows } from "../api/types";
import { useRead } from "../api/use-read";
import { to, useQuery } from "../router";
import { Action } from "../ui/action";
import { Head, Loaded } from "../ui/page";
import { Search } from "../ui/search";
import { Mark, RunState } from "../ui/state";
import { Table } from "../ui/table";
import { When } from "../ui/time";

const PAGE = 200;
type Row = DeploymentRows["deployments"][number];

export function Deployments() {
  const read = useRead<DeploymentRows>(address("/skylift/deployments", {}, { limit: PAGE }));
  const [text, setText] = useQuery("q");
  const [more, setMore] = useState<DeploymentRows | null>(null);
  const next = more ? more.next : read.data?.next;
  const wanted = text.toLowerCase();
  async function readMore() {
    const page = (await send(
      "get",
      address("/skylift/deployments", {}, { limit: PAGE, after: next }),
    )) as DeploymentRows;
    setMore({ ...page, deployments: [...(more?.deployments ?? []), ...page.deployments] });
  }
  return (
    <>
      <Head title="Deployments" />
      <div class="tools">
        <Search label="Search deployments" value={text} change={setText} />
        {text && next && <span class="dim">among those that are shown</span>}
      </div>
      <Loaded read={read}>
        {(page) => (
          <DeploymentTable
            rows={[...page.deployments, ...(more?.deployments ?? [])].filter((row) =>
              `${row.flow.name}/${row.name} ${row.tags.join(" ")}`.toLowerCase().includes(wanted),
            )}
            isSearched={text !== ""}
          />
        )}
      </Loaded>
      {next && (
        <div class="tools">
          <Action run={readMore}>Show more</Action>
        </div>
      )}
    </>
  );
}

function DeploymentTable({ rows, isSearched }: { rows: Row[]; isSearched: boolean }) {
  return (
    <Table
      label="Deployments"
      rows={rows}
      id={(row) => row.id}
      empty={
        isSearched ? (
          "No deployment fits."
        ) : (
          <>
            There is no deployment yet. <code>skylift deploy</code> or <code>prefect deploy</code> makes one.
          </>
        )
      }
      columns={[
        {
          name: "Deployment",
          kind: "wide",
          cell: (row) => (
            <>
              <span class="dim">{row.flow.name} / </span>
              <a href={to`/deployments/${row.id}`}>{row.name}</a>
            </>
          ),
        },
        {
          name: "Pool / queue",
          kind: "keep",
          cell: (row) =>
            row.work_pool_name && (
              <>
                <a href={to`/pools/${row.work_pool_name}`}>{row.work_pool_name}</a> / {row.work_queue_name}
              </>
            ),
        },
        {
          name: "Schedules",
          kind: "keep",
          cell: (row) =>
            row.paused ? (
              <Mark tone="warn">Paused</Mark>
            ) : row.schedules ? (
              `${row.active_schedules} of ${row.schedules} on`
            ) : (
              <span class="dim">none</span>
            ),
        },
        { name: "Next run", kind: "keep", cell: (row) => <When at={row.next_run} /> },
        {
          name: "Last run",
          kind: "keep",
          cell: (row) =>
            row.last_run && (
              <>
                <RunState type={row.last_run.state_type} name={row.last_run.state_name} />{" "}
                <a href={to`/runs/${row.last_run.id}`}>{row.last_run.name}</a>
              </>
            ),
        },
        { name: "Due", kind: "keep", cell: (row) => <When at={row.last_run?.expected_start_time} /> },
      ]}
    />
  );
}
