import { useState } from "preact/hooks";
import { address, api, type Schemas } from "../api/client";
import { useRead } from "../api/use-read";
import type { Params } from "../routes";
import { go, to } from "../router";
import { Action } from "../ui/action";
import { Copy } from "../ui/copy";
import { Json } from "../ui/json";
import { Head, Loaded, Section } from "../ui/page";
import { Mark, type Tone } from "../ui/state";
import { Table } from "../ui/table";
import { At, When } from "../ui/time";
import { postedTo, Secret } from "./webhooks";

type Hook = Schemas["Webhook"];
type Delivery = Schemas["WebhookDelivery"];

const OUTCOMES: Record<Delivery["outcome"], [Tone, string]> = {
  run: ["ok", "Run"],
  skipped: ["wait", "Skipped"],
  refused: ["bad", "Refused"],
};

export default function Webhook({ params }: { params: Params }) {
  const name = params.name as string;
  const read = useRead<Hook>(address("/skylift/webhooks/{name}", { name }));
  return <Loaded read={read}>{(hook) => <Page hook={hook} refresh={read.refresh} />}</Loaded>;
}

function Page({ hook, refresh }: { hook: Hook; refresh: () => Promise<void> }) {
  const params = { name: hook.name };
  const deliveries = useRead<Delivery[]>(address("/skylift/webhooks/{name}/deliveries", params));
  const [rotated, setRotated] = useState<Schemas["NewWebhook"] | null>(null);
  async function toggle() {
    await api.patch("/api/skylift/webhooks/{name}", { params, body: { active: !hook.active } });
    await refresh();
  }
  async function rotate() {
    setRotated(await api.post("/api/skylift/webhooks/{name}/rotate", { params, body: {} }));
    await refresh();
  }
  async function remove() {
    await api.delete("/api/skylift/webhooks/{name}", { params });
    go("#/webhooks");
    return `Webhook ${hook.name} was deleted`;
  }
  return (
    <>
      <Head
        title={hook.name}
        of={<a href="#/webhooks">Webhooks</a>}
        state={<Mark tone={hook.active ? "ok" : "wait"}>{hook.active ? "On" : "Off"}</Mark>}
        actions={
          <>
            <Action run={toggle}>{hook.active ? "Switch off" : "Switch on"}</Action>
            <Action run={rotate} title="The old secret stays valid for a day">
              New secret
            </Action>
            <Action kind="risky" run={remove}>
              Delete
            </Action>
          </>
        }
      >
        <Copy text={postedTo(hook.path)} short={90} what="address" />
        <span>signed: {hook.kind}</span>
        <a href={to`/deployments/${hook.deployment_id}`}>its deployment</a>
        {hook.previous_until && (
          <span>
            the old secret is valid until <At at={hook.previous_until} />
          </span>
        )}
      </Head>
      <Section
        title="Deliveries"
        note="what came in and was signed well, the newest first"
        actions={<Action run={deliveries.refresh}>Look again</Action>}
      >
        <Loaded read={deliveries}>
          {(found) => (
            <Table
              label="Deliveries"
              rows={found}
              id={(delivery) => delivery.id}
              empty="Nothing has come in yet."
              columns={[
                { name: "Received", kind: "keep", cell: ({ received }) => <When at={received} /> },
                {
                  name: "Became",
                  kind: "keep",
                  cell: ({ outcome }) => <Mark tone={OUTCOMES[outcome][0]}>{OUTCOMES[outcome][1]}</Mark>,
                },
                {
                  name: "Run",
                  kind: "keep",
                  cell: ({ flow_run_id }) => flow_run_id && <a href={to`/runs/${flow_run_id}`}>open</a>,
                },
                { name: "Reason", kind: "wide", cell: ({ reason }) => reason },
                { name: "ID", kind: "keep", cell: ({ id }) => <Copy text={id} /> },
              ]}
            />
          )}
        </Loaded>
      </Section>
      <Section title="Template" note="what becomes of a delivery">
        <Json value={hook.template} empty="None: the fields of a delivery are the run's parameters." />
      </Section>
      {rotated && <Secret hook={rotated} close={() => setRotated(null)} />}
    </>
  );
}
