import { address, api, type Schemas } from "../api/client";
import { isOver, isUnderWay, type RunStory } from "../api/types";
import { useRead } from "../api/use-read";
import { type Params } from "../routes";
import { to } from "../router";
import { Action } from "../ui/action";
import { Copy } from "../ui/copy";
import { Json } from "../ui/json";
import { Head, Loaded, Section, Tabs } from "../ui/page";
import { RunState } from "../ui/state";
import { At, Took, When } from "../ui/time";
import { AttemptChart, Timeline } from "./attempts";
import { Log } from "./log";
import { TaskRuns } from "./task-runs";
import { Why } from "./why";

export function Run({ params }: { params: Params }) {
  const id = params.id as string;
  const read = useRead<RunStory>(address("/skylift/flow_runs/{id}/explain", { id }), ({ flow_run }) =>
    isUnderWay(flow_run),
  );
  return <Loaded read={read}>{(story) => <Page story={story} tab={params.tab ?? ""} refresh={read.refresh} />}</Loaded>;
}

function Page({ story, tab, refresh }: { story: RunStory; tab: string; refresh: () => Promise<void> }) {
  const { flow_run: run, flow, deployment } = story;
  const tabs: [string, string][] = [
    ["Logs", to`/runs/${run.id}`],
    ["Attempts", to`/runs/${run.id}/attempts`],
    ["Tasks", to`/runs/${run.id}/tasks`],
    ["Parameters", to`/runs/${run.id}/parameters`],
    ["Job variables", to`/runs/${run.id}/variables`],
    ["Details", to`/runs/${run.id}/details`],
  ];
  const current = tabs.find(([, href]) => href === to`/runs/${run.id}/${tab}`)?.[0] ?? "Logs";
  return (
    <>
      <Head
        title={run.name}
        of={
          deployment ? (
            <a href={to`/deployments/${deployment.id}`}>
              {flow.name} / {deployment.name}
            </a>
          ) : (
            flow.name
          )
        }
        state={<RunState type={run.state_type} name={run.state_name} />}
        actions={<Actions run={run} refresh={refresh} />}
      >
        <Copy text={run.id} />
        {run.work_pool_name && (
          <span>
            <a href={to`/pools/${run.work_pool_name}`}>{run.work_pool_name}</a> / {run.work_queue_name}
          </span>
        )}
        <span>
          due <When at={run.expected_start_time} />
        </span>
        {run.start_time && run.start_time !== run.end_time && (
          <span>
            ran <Took from={run.start_time} until={run.end_time} />
          </span>
        )}
        {run.tags.map((tag) => (
          <span key={tag} class="tag">
            {tag}
          </span>
        ))}
        {Object.entries(story.links).map(([what, url]) => (
          <a key={what} href={url} target="_blank" rel="noreferrer">
            {what} ↗
          </a>
        ))}
      </Head>
      <Why story={story} />
      {story.attempts.length > 0 && <AttemptChart attempts={story.attempts} />}
      <Tabs label="Parts of the run" items={tabs} current={current} />
      <Part name={current} story={story} />
    </>
  );
}

function Part({ name, story }: { name: string; story: RunStory }) {
  const run = story.flow_run;
  switch (name) {
    case "Tasks":
      return <TaskRuns runId={run.id} isLive={!isOver(run)} />;
    case "Parameters":
      return (
        <Section title="Parameters">
          <Json value={run.parameters} empty="It was started without parameters." />
        </Section>
      );
    case "Job variables":
      return (
        <Section title="Job variables" note="over those of the deployment and the pool's defaults">
          <Json value={run.job_variables} empty="None of its own." />
        </Section>
      );
    case "Details":
      return <Details run={run} />;
    case "Attempts":
      return <Timeline story={story} />;
    default:
      return <Log runId={run.id} isOver={isOver(run)} />;
  }
}

function Actions({ run, refresh }: { run: Schemas["FlowRun"]; refresh: () => Promise<void> }) {
  async function propose(state: Schemas["StateCreate"]) {
    const answer = await api.post("/api/flow_runs/{flow_run_id}/set_state", {
      params: { flow_run_id: run.id },
      body: { state, force: false },
    });
    await refresh();
    if (answer.status !== "ACCEPT" && answer.state?.type === run.state_type) {
      return `It stays ${run.state_name}: ${String(answer.details.reason ?? answer.status)}`;
    }
  }
  return (
    <>
      {!isOver(run) && run.state_type !== "CANCELLING" && (
        <Action
          kind="risky"
          shortcut="c"
          run={() => propose({ type: "CANCELLING", message: "Cancellation was asked for in the console" })}
        >
          Cancel
        </Action>
      )}
      {isOver(run) && run.deployment_id && (
        <Action
          shortcut="y"
          run={() =>
            propose({ type: "SCHEDULED", name: "AwaitingRetry", message: "A retry was asked for in the console" })
          }
        >
          Retry
        </Action>
      )}
    </>
  );
}

function Details({ run }: { run: Schemas["FlowRun"] }) {
  const rows: [string, preact.ComponentChildren][] = [
    ["ID", <Copy text={run.id} short={36} />],
    ["Flow ID", <Copy text={run.flow_id} short={36} />],
    ["Deployment ID", run.deployment_id && <Copy text={run.deployment_id} short={36} />],
    ["Idempotency key", run.idempotency_key && <Copy text={run.idempotency_key} short={80} what="key" />],
    ["Made", <At at={run.created} />],
    ["Due", <At at={run.expected_start_time} />],
    ["Started", <At at={run.start_time} />],
    ["Ended", <At at={run.end_time} />],
    ["Run count", run.run_count],
    [
      "Infrastructure",
      run.infrastructure_pid && <Copy text={run.infrastructure_pid} short={120} what="the provider's ID" />,
    ],
  ];
  return (
    <Section title="Details">
      <dl class="pairs">
        {rows
          .filter(([, value]) => value !== null && value !== undefined && value !== "")
          .map(([name, value]) => (
            <>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </>
          ))}
      </dl>
    </Section>
  );
}
