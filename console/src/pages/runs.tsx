import { useEffect, useState } from "preact/hooks";
import { address, send } from "../api/client";
import { isUnderWay, type RunRow, type RunRows } from "../api/types";
import { useRead } from "../api/use-read";
import { useQuery } from "../router";
import { Action } from "../ui/action";
import { Head, Loaded } from "../ui/page";
import { Search } from "../ui/search";
import { RunTable } from "./run-table";

const STATES: [string, string][] = [
  ["", "any state"],
  ["SCHEDULED", "Scheduled"],
  ["PENDING", "Pending"],
  ["RUNNING", "Running"],
  ["FAILED,CRASHED", "Failed or crashed"],
  ["COMPLETED", "Completed"],
  ["CANCELLED,CANCELLING", "Cancelled"],
  ["PAUSED", "Paused"],
];

export function Runs() {
  const [state, setState] = useQuery("state");
  const [pool, setPool] = useQuery("pool");
  const [text, setText] = useQuery("q");
  const query = { state: state ? state.split(",") : [], work_pool: pool, name: text };
  const read = useRead<RunRows>(address("/skylift/flow_runs", {}, query), ({ runs }) => runs.some(isUnderWay));
  const isFiltered = Boolean(state || pool || text);
  return (
    <>
      <Head title="Runs" />
      <div class="tools">
        <Search label="Search by name" value={text} change={setText} />
        <label>
          <span class="hidden-label">State</span>
          <select value={state} onChange={(event) => setState(event.currentTarget.value)}>
            {STATES.map(([value, word]) => (
              <option key={value} value={value}>
                {word}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span class="hidden-label">Work pool</span>
          <input
            placeholder="any work pool"
            size={18}
            value={pool}
            onChange={(event) => setPool(event.currentTarget.value.trim())}
          />
        </label>
        {isFiltered && <a href="#/runs">Clear the filters</a>}
      </div>
      <Loaded read={read}>
        {(page) => (
          <Pages
            key={JSON.stringify(query)}
            first={page}
            query={query}
            empty={isFiltered ? "No run fits these filters." : <NoRuns />}
          />
        )}
      </Loaded>
    </>
  );
}

/** The first page stays fresh; further ones are added as they are. */
function Pages({
  first,
  query,
  empty,
}: {
  first: RunRows;
  query: Record<string, string | string[]>;
  empty: preact.ComponentChildren;
}) {
  const [more, setMore] = useState<RunRows | null>(null);
  const next = more ? more.next : first.next;
  const shown = new Map<string, RunRow>();
  for (const run of [...first.runs, ...(more?.runs ?? [])]) if (!shown.has(run.id)) shown.set(run.id, run);
  useEffect(() => setMore(null), [JSON.stringify(query)]);
  async function read() {
    const page = (await send("get", address("/skylift/flow_runs", {}, { ...query, after: next }))) as RunRows;
    setMore({ ...page, runs: [...(more?.runs ?? []), ...page.runs] });
  }
  return (
    <>
      <RunTable runs={[...shown.values()]} empty={empty} />
      {next && (
        <div class="tools">
          <Action run={read}>Show older runs</Action>
        </div>
      )}
    </>
  );
}

const NoRuns = () => (
  <>
    Nothing has run yet. Start one from a <a href="#/deployments">deployment</a>, or with{" "}
    <code>skylift deployment run FLOW/NAME</code>.
  </>
);
