import { address, api } from "../api/client";
import { type DeploymentView, isUnderWay } from "../api/types";
import { useRead } from "../api/use-read";
import type { Params } from "../routes";
import { to } from "../router";
import { Action } from "../ui/action";
import { Copy } from "../ui/copy";
import { Json } from "../ui/json";
import { Head, Loaded, Section, Tabs } from "../ui/page";
import { Mark } from "../ui/state";
import { Ledger } from "./ledger";
import { RunTable } from "./run-table";
import { Schedules } from "./schedules";

export function Deployment({ params }: { params: Params }) {
  const id = params.id as string;
  const read = useRead<DeploymentView>(address("/skylift/deployments/{id}", { id }), ({ upcoming, recent }) =>
    [...upcoming, ...recent].some(isUnderWay),
  );
  return <Loaded read={read}>{(view) => <Page view={view} tab={params.tab ?? ""} refresh={read.refresh} />}</Loaded>;
}

function Page({ view, tab, refresh }: { view: DeploymentView; tab: string; refresh: () => Promise<void> }) {
  const { deployment } = view;
  const { id } = deployment;
  const tabs: [string, string][] = [
    ["Runs", to`/deployments/${id}`],
    ["Slot ledger", to`/deployments/${id}/slots`],
    ["Parameters", to`/deployments/${id}/parameters`],
    ["Job variables", to`/deployments/${id}/variables`],
  ];
  const current = tabs.find(([, href]) => href === to`/deployments/${id}/${tab}`)?.[0] ?? "Runs";
  async function pause() {
    await api.patch("/api/deployments/{deployment_id}", {
      params: { deployment_id: id },
      body: { paused: !deployment.paused },
    });
    await refresh();
  }
  return (
    <>
      <Head
        title={deployment.name}
        of={deployment.flow_name}
        state={
          <Mark tone={deployment.paused ? "warn" : deployment.status === "READY" ? "ok" : "wait"}>
            {deployment.paused ? "Paused" : deployment.status === "READY" ? "Ready" : "Not ready"}
          </Mark>
        }
        actions={
          <>
            <a class="button is-main" href={to`/deployments/${id}/run`} data-shortcut="n">
              Run…
            </a>
            <Action run={pause}>{deployment.paused ? "Resume" : "Pause"}</Action>
          </>
        }
      >
        <Copy text={id} />
        {deployment.work_pool_name && (
          <span>
            <a href={to`/pools/${deployment.work_pool_name}`}>{deployment.work_pool_name}</a> /{" "}
            {deployment.work_queue_name}
          </span>
        )}
        {deployment.entrypoint && <Copy text={deployment.entrypoint} short={60} what="entrypoint" />}
        {deployment.version && <span>version {deployment.version}</span>}
        {deployment.global_concurrency_limit && (
          <span>
            {deployment.global_concurrency_limit.active_slots} of {deployment.global_concurrency_limit.limit} runs at
            once
          </span>
        )}
        {deployment.tags.map((tag) => (
          <span key={tag} class="tag">
            {tag}
          </span>
        ))}
        {deployment.description && <span>{deployment.description}</span>}
      </Head>
      <Schedules deployment={deployment} refresh={refresh} />
      <Tabs label="Parts of the deployment" items={tabs} current={current} />
      {current === "Runs" && (
        <>
          <Section title="Next runs">
            <RunTable label="Next runs" runs={view.upcoming} without={["deployment"]} empty="Nothing is scheduled." />
          </Section>
          <Section title="Last runs">
            <RunTable label="Last runs" runs={view.recent} without={["deployment"]} empty="It has not run yet." />
          </Section>
        </>
      )}
      {current === "Slot ledger" && <Ledger deploymentId={id} />}
      {current === "Parameters" && (
        <>
          <Section title="Parameters" note="what runs get that set nothing else">
            <Json value={deployment.parameters} empty="None are set." />
          </Section>
          <Section title="Schema" note={deployment.enforce_parameter_schema ? "enforced" : "not enforced"}>
            <Json value={deployment.parameter_openapi_schema} empty="It has none: any parameters are accepted." />
          </Section>
        </>
      )}
      {current === "Job variables" && (
        <Section title="Job variables" note="over the pool's defaults">
          <Json value={deployment.job_variables} empty="None: the pool's defaults hold." />
        </Section>
      )}
    </>
  );
}
