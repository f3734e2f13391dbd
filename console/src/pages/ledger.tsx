import { address } from "../api/client";
import type { LedgerView } from "../api/types";
import { useRead } from "../api/use-read";
import { to, useQuery } from "../router";
import { Loaded, Section } from "../ui/page";
import { Mark, RunState } from "../ui/state";
import { Table } from "../ui/table";
import { At } from "../ui/time";

/** Every slot of the schedules: the run that was made for it, or why it was skipped. */
export function Ledger({ deploymentId }: { deploymentId: string }) {
  const [until, setUntil] = useQuery("to");
  const [only, setOnly] = useQuery("only");
  const read = useRead<LedgerView>(address("/skylift/deployments/{id}/slots", { id: deploymentId }, { to: until }));
  return (
    <Section
      title="Slot ledger"
      note={
        until ? (
          <>
            before <At at={until} />, newest first
          </>
        ) : (
          "newest first"
        )
      }
    >
      <div class="tools">
        <label>
          <input
            type="checkbox"
            checked={only === "skipped"}
            onChange={(event) => setOnly(event.currentTarget.checked ? "skipped" : "")}
          />
          Only skipped slots
        </label>
        {until && (
          <button type="button" onClick={() => setUntil("")}>
            Back to the newest
          </button>
        )}
      </div>
      <Loaded read={read}>
        {(view) => (
          <>
            <Table
              label="Slots"
              rows={only === "skipped" ? view.lines.filter((line) => line.outcome === "SKIPPED") : view.lines}
              id={(line) => `${line.schedule} ${line.slot}`}
              empty="No slot of a schedule falls into this time."
              columns={[
                { name: "Slot", kind: "keep", cell: (line) => <At at={line.slot} /> },
                {
                  name: "Schedule",
                  kind: "keep",
                  cell: (line) => <span class="mono">{line.schedule.slice(0, 24)}</span>,
                },
                {
                  name: "Became",
                  kind: "keep",
                  cell: (line) =>
                    line.outcome === "SKIPPED" ? (
                      <Mark tone="warn">Skipped</Mark>
                    ) : line.flow_run?.state_type ? (
                      <RunState type={line.flow_run.state_type} name={line.flow_run.state_name ?? ""} />
                    ) : (
                      <Mark tone="wait">A run that is gone</Mark>
                    ),
                },
                {
                  name: "Run, or why not",
                  kind: "wide",
                  cell: (line) =>
                    line.flow_run?.name ? (
                      <a href={to`/runs/${line.flow_run.id}`}>{line.flow_run.name}</a>
                    ) : (
                      line.reason
                    ),
                },
              ]}
            />
            {view.more && (
              <div class="tools">
                <button type="button" onClick={() => setUntil(view.lines.at(-1)?.slot ?? "")}>
                  Older slots
                </button>
              </div>
            )}
          </>
        )}
      </Loaded>
    </Section>
  );
}
