import { address, api } from "../api/client";
import type { InfrastructureView } from "../api/types";
import { useRead } from "../api/use-read";
import { Action } from "../ui/action";
import { Copy } from "../ui/copy";
import { Loaded, Section } from "../ui/page";
import { Mark, type Tone } from "../ui/state";
import { Table } from "../ui/table";
import { When } from "../ui/time";

const STATES: Record<string, [Tone, string]> = {
  "in-place": ["ok", "In place"],
  "not-ours": ["ok", "In place, not ours"],
  missing: ["bad", "Missing"],
  changed: ["warn", "Drifted"],
  superfluous: ["warn", "No longer needed"],
  unchecked: ["wait", "Not checked"],
};

/** What was made in the cloud for the pool, and what of it has changed since. */
export function Infrastructure({ pool, type }: { pool: string; type: string }) {
  const read = useRead<InfrastructureView>(address("/skylift/work_pools/{name}/infrastructure", { name: pool }));
  async function check() {
    await api.post("/api/skylift/work_pools/{name}/infrastructure/check", { params: { name: pool } });
    await read.refresh();
  }
  return (
    <Loaded read={read}>
      {(view) => (
        <Section
          title="Infrastructure"
          note={
            view.place ? (
              <>
                {view.place};{" "}
                {view.checked_at ? (
                  <>
                    checked <When at={view.checked_at} />
                  </>
                ) : (
                  "not checked since it was made"
                )}
              </>
            ) : undefined
          }
          actions={view.can_check && view.place && <Action run={check}>Check now</Action>}
        >
          <Table
            label="Infrastructure"
            rows={view.resources}
            id={(each) => each.key}
            empty={
              <>
                Nothing was made for this pool. <code>skylift work-pool provision-infra {pool}</code> makes what {type}{" "}
                needs.
              </>
            }
            columns={[
              {
                name: "State",
                kind: "keep",
                cell: ({ state }) => {
                  const [tone, word] = STATES[state] ?? ["wait", state];
                  return <Mark tone={tone}>{word}</Mark>;
                },
              },
              { name: "Kind", kind: "keep", cell: ({ kind }) => kind },
              { name: "Name", kind: "keep", cell: ({ name }) => <Copy text={name} short={48} what="name" /> },
              {
                name: "Differs",
                kind: "wide",
                cell: ({ differences }) => differences.map((each) => <div key={each}>{each}</div>),
              },
              {
                name: "Cloud console",
                kind: "keep",
                cell: ({ url }) =>
                  url && (
                    <a href={url} target="_blank" rel="noreferrer">
                      Open ↗
                    </a>
                  ),
              },
            ]}
          />
          {view.place && !view.can_check && (
            <p class="dim">
              This service cannot look by itself. <code>skylift work-pool infra {pool}</code> does, and what it sees is
              shown here.
            </p>
          )}
        </Section>
      )}
    </Loaded>
  );
}
