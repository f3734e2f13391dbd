import { useState } from "preact/hooks";
import { address, api } from "../api/client";
import type { PoolView } from "../api/types";
import { useRead } from "../api/use-read";
import type { Params } from "../routes";
import { go, to } from "../router";
import { Action } from "../ui/action";
import { Copy } from "../ui/copy";
import { Dialog } from "../ui/dialog";
import { Json } from "../ui/json";
import { Meter } from "../ui/meter";
import { Head, Loaded, Section, Tabs } from "../ui/page";
import { PoolState } from "../ui/state";
import { Infrastructure } from "./infrastructure";
import { Queues } from "./queues";
import { Quota } from "./quota";
import { Slots } from "./slots";
import { Waits } from "./waits";

const isBusy = ({ slots, queues }: PoolView): boolean => slots.occupied > 0 || queues.some((queue) => queue.due > 0);

export function Pool({ params }: { params: Params }) {
  const name = params.name as string;
  const read = useRead<PoolView>(address("/skylift/work_pools/{name}", { name }), isBusy);
  return <Loaded read={read}>{(view) => <Page view={view} tab={params.tab ?? ""} refresh={read.refresh} />}</Loaded>;
}

function Page({ view, tab, refresh }: { view: PoolView; tab: string; refresh: () => Promise<void> }) {
  const { pool, slots } = view;
  const name = pool.name;
  const tabs: [string, string][] = [
    ["Slots and queues", to`/pools/${name}`],
    ["Infrastructure", to`/pools/${name}/infrastructure`],
    ["Template", to`/pools/${name}/template`],
  ];
  const current = tabs.find(([, href]) => href === to`/pools/${name}/${tab}`)?.[0] ?? "Slots and queues";
  return (
    <>
      <Head title={name} state={<PoolState status={pool.status} />} actions={<Actions view={view} refresh={refresh} />}>
        <span class="mono">{pool.type}</span>
        <Copy text={pool.id} />
        <span>
          <Meter used={slots.occupied} limit={pool.concurrency_limit} what="slots" /> slots
        </span>
        <a href={`${to`/runs`}?pool=${encodeURIComponent(name)}`}>Runs of this pool</a>
        {pool.description && <span>{pool.description}</span>}
      </Head>
      {pool.is_paused && (
        <div class="why is-warn">
          <strong>This pool is paused: nothing of it is started.</strong>
          <p>What is due waits, and starts when the pool is resumed. What runs goes on.</p>
        </div>
      )}
      <Tabs label="Parts of the pool" items={tabs} current={current} />
      {current === "Infrastructure" && <Infrastructure pool={name} type={pool.type} />}
      {current === "Template" && (
        <Section title="Base job template" note="what deployments and runs may set, and what is made of it">
          <Json value={pool.base_job_template} empty="This pool has no template." />
        </Section>
      )}
      {current === "Slots and queues" && (
        <>
          <Slots view={slots} />
          <Queues pool={name} queues={view.queues} refresh={refresh} />
          <Waits queues={view.queues} />
          <Quota quota={view.quota} />
        </>
      )}
    </>
  );
}

function Actions({ view, refresh }: { view: PoolView; refresh: () => Promise<void> }) {
  const [isDeleting, setDeleting] = useState(false);
  const { name, is_paused } = view.pool;
  async function pause() {
    await api.patch("/api/work_pools/{name}", { params: { name }, body: { is_paused: !is_paused } });
    await refresh();
  }
  async function remove() {
    await api.delete("/api/work_pools/{name}", { params: { name } });
    go("#/pools");
    return `Work pool ${name} was deleted`;
  }
  return (
    <>
      <Action run={pause}>{is_paused ? "Resume" : "Pause"}</Action>
      <a class="button" href={to`/pools/${name}/edit`} data-shortcut="e">
        Edit
      </a>
      <button type="button" class="is-risky" onClick={() => setDeleting(true)}>
        Delete…
      </button>
      {isDeleting && (
        <Dialog
          title={`Delete work pool ${name}?`}
          close={() => setDeleting(false)}
          leave="Keep it"
          actions={
            <Action kind="risky" run={remove}>
              Delete it
            </Action>
          }
        >
          <p>
            Its queues go with it, and what runs in it is stopped. What was made for it in the cloud stays: remove that
            first with <code>skylift work-pool destroy-infra {name}</code>.
          </p>
        </Dialog>
      )}
    </>
  );
}
