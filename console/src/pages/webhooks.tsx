import { useState } from "preact/hooks";
import { address, api, type Schemas } from "../api/client";
import type { DeploymentRows } from "../api/types";
import { useRead } from "../api/use-read";
import { to } from "../router";
import { Action } from "../ui/action";
import { Copy } from "../ui/copy";
import { Dialog } from "../ui/dialog";
import { Head, Loaded } from "../ui/page";
import { Mark } from "../ui/state";
import { Table } from "../ui/table";

type Webhook = Schemas["Webhook"];

export const postedTo = (path: string): string => new URL(path, address("/")).href;

export default function Webhooks() {
  const read = useRead<Webhook[]>(address("/skylift/webhooks/"));
  const deployments = useRead<DeploymentRows>(address("/skylift/deployments", {}, { limit: 200 }));
  const names = new Map(deployments.data?.deployments.map((row) => [row.id, `${row.flow.name}/${row.name}`]));
  const [isAdding, setAdding] = useState(false);
  return (
    <>
      <Head
        title="Webhooks"
        actions={
          <button type="button" class="is-main" data-shortcut="n" onClick={() => setAdding(true)}>
            + New webhook
          </button>
        }
      >
        <span>Addresses that others post to; each makes runs of one deployment.</span>
      </Head>
      <Loaded read={read}>
        {(hooks) => (
          <Table
            label="Webhooks"
            rows={hooks}
            id={(hook) => hook.id}
            empty={
              <>
                There is no webhook yet. <code>skylift webhook create NAME --deployment FLOW/NAME</code> makes one with
                a template, too.
              </>
            }
            columns={[
              { name: "Name", kind: "keep", cell: (hook) => <a href={to`/webhooks/${hook.name}`}>{hook.name}</a> },
              {
                name: "State",
                kind: "keep",
                cell: (hook) => <Mark tone={hook.active ? "ok" : "wait"}>{hook.active ? "On" : "Off"}</Mark>,
              },
              { name: "Signed", kind: "keep", cell: (hook) => hook.kind },
              {
                name: "Deployment",
                kind: "keep",
                cell: (hook) => (
                  <a href={to`/deployments/${hook.deployment_id}`}>{names.get(hook.deployment_id) ?? "open"}</a>
                ),
              },
              {
                name: "Address",
                kind: "wide",
                cell: (hook) => <Copy text={postedTo(hook.path)} short={80} what="address" />,
              },
            ]}
          />
        )}
      </Loaded>
      {isAdding && <NewWebhook names={[...names.values()]} close={() => setAdding(false)} refresh={read.refresh} />}
    </>
  );
}

const KINDS: Schemas["SignatureKind"][] = ["hmac", "github", "stripe", "bearer"];

interface Adding {
  /** Of deployments, to choose from; there may be others. */
  names: string[];
  close: () => void;
  refresh: () => Promise<void>;
}

function NewWebhook({ names, close, refresh }: Adding) {
  const [name, setName] = useState("");
  const [deployment, setDeployment] = useState("");
  const [kind, setKind] = useState<Schemas["SignatureKind"]>("hmac");
  const [made, setMade] = useState<Schemas["NewWebhook"] | null>(null);
  async function make() {
    const [flow_name = "", ...rest] = deployment.trim().split("/");
    const params = { flow_name, name: rest.join("/") };
    const { id } = await api.get("/api/deployments/name/{flow_name}/{name}", { params });
    setMade(await api.post("/api/skylift/webhooks/", { body: { name: name.trim(), deployment_id: id, kind } }));
    await refresh();
  }
  if (made) return <Secret hook={made} close={close} />;
  return (
    <Dialog
      title="New webhook"
      close={close}
      actions={
        <Action kind="main" run={make} disabled={!name.trim() || !deployment.includes("/")}>
          Make it
        </Action>
      }
    >
      <div class="field">
        <label for="hook-name">Name</label>
        <input id="hook-name" value={name} onInput={(event) => setName(event.currentTarget.value)} />
      </div>
      <div class="field">
        <label for="hook-deployment">Deployment</label>
        <input
          id="hook-deployment"
          list="hook-deployments"
          placeholder="flow/deployment"
          value={deployment}
          onInput={(event) => setDeployment(event.currentTarget.value)}
        />
        <datalist id="hook-deployments">
          {names.map((each) => (
            <option key={each} value={each} />
          ))}
        </datalist>
      </div>
      <div class="field">
        <label for="hook-kind">How deliveries are signed</label>
        <select
          id="hook-kind"
          value={kind}
          onChange={(event) => setKind(event.currentTarget.value as Schemas["SignatureKind"])}
        >
          {KINDS.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </div>
    </Dialog>
  );
}

/** The one time that a secret can be had: it is copied, and never written into the page. */
export function Secret({ hook, close }: { hook: Schemas["NewWebhook"]; close: () => void }) {
  return (
    <Dialog
      title={`The secret of ${hook.name}`}
      close={close}
      actions={
        <Action
          kind="main"
          run={async () => {
            await navigator.clipboard.writeText(hook.secret);
            return "The secret was copied";
          }}
        >
          Copy the secret
        </Action>
      }
    >
      <p>This is the only time that it can be had. Copy it to whoever sends the deliveries.</p>
    </Dialog>
  );
}
