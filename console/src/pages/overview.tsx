import { address } from "../api/client";
import type { Overview as Standing } from "../api/types";
import { useRead } from "../api/use-read";
import { to } from "../router";
import { Head, Loaded, Section } from "../ui/page";
import { RunState, toneOf } from "../ui/state";
import { Table } from "../ui/table";
import { When } from "../ui/time";
import { PoolTable } from "./pool-table";

export const isBusy = ({ pools }: Standing): boolean => pools.some((pool) => pool.occupied > 0 || pool.due > 0);

export function Overview() {
  const read = useRead<Standing>(address("/skylift/overview"), isBusy);
  return (
    <>
      <Head title="Overview">
        {read.data && (
          <>
            <span>Skylift {read.data.version}</span>
            <span>
              {read.data.last_tick ? (
                <>
                  the timer came <When at={read.data.last_tick} />
                </>
              ) : (
                "the timer has not come yet"
              )}
            </span>
          </>
        )}
      </Head>
      <Loaded read={read}>{(standing) => <Glance standing={standing} />}</Loaded>
    </>
  );
}

function Glance({ standing }: { standing: Standing }) {
  return (
    <>
      {standing.problems.map(({ kind, message, remedy, work_pool, since }) => (
        <div class="why is-warn" key={`${kind} ${work_pool} ${message}`}>
          <strong>{message}</strong>
          {remedy && <p>{remedy}</p>}
          <p class="dim">
            {work_pool && <a href={to`/pools/${work_pool}`}>{work_pool}</a>}{" "}
            {since && (
              <>
                since <When at={since} />
              </>
            )}
          </p>
        </div>
      ))}
      <Section title="Work pools">
        <PoolTable pools={standing.pools} />
      </Section>
      <Section
        title="Failures of the last day"
        note={standing.failed > 0 && `${standing.failed} ${standing.failed === 1 ? "run" : "runs"}, by reason`}
      >
        <Table
          label="Failures of the last day by reason"
          rows={standing.failures}
          id={(group) => `${group.state_type} ${group.last_run.id}`}
          empty="Nothing has failed."
          columns={[
            { name: "Runs", kind: "number", cell: (group) => group.count },
            {
              name: "State",
              kind: "keep",
              cell: (group) => (
                <RunState type={group.state_type} name={group.state_type === "CRASHED" ? "Crashed" : "Failed"} />
              ),
            },
            {
              name: "Reason",
              kind: "wide",
              cell: (group) => <span class={toneOf(group.state_type)}>{group.reason || "no reason was given"}</span>,
            },
            {
              name: "Latest",
              kind: "keep",
              cell: (group) => <a href={to`/runs/${group.last_run.id}`}>{group.last_run.name}</a>,
            },
            { name: "When", kind: "keep", cell: (group) => <When at={group.last_at} /> },
          ]}
        />
      </Section>
    </>
  );
}
