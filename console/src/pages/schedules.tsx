import { api, type Schemas } from "../api/client";
import { Action } from "../ui/action";
import { Copy } from "../ui/copy";
import { Section } from "../ui/page";
import { Mark } from "../ui/state";
import { Table } from "../ui/table";
import { lasting } from "../ui/times";
import { inWords, type ScheduleShape } from "./schedule-words";

type Deployment = Schemas["Deployment"];
type Schedule = Schemas["DeploymentSchedule"];

export function Schedules({ deployment, refresh }: { deployment: Deployment; refresh: () => Promise<void> }) {
  async function toggle(schedule: Schedule) {
    await api.patch("/api/deployments/{deployment_id}/schedules/{schedule_id}", {
      params: { deployment_id: deployment.id, schedule_id: schedule.id },
      body: { active: !schedule.active },
    });
    await refresh();
  }
  return (
    <Section
      title="Schedules"
      note={
        deployment.paused && deployment.schedules.length > 0 && "the deployment is paused, so none of them makes runs"
      }
    >
      <Table
        label="Schedules"
        rows={deployment.schedules}
        id={(schedule) => schedule.id}
        empty="None: it runs when somebody, a webhook or another run asks for it."
        columns={[
          {
            name: "State",
            kind: "keep",
            cell: ({ active }) => (
              <Mark tone={active && !deployment.paused ? "ok" : "wait"}>{active ? "On" : "Off"}</Mark>
            ),
          },
          { name: "Schedule", kind: "wide", cell: ({ schedule }) => <code>{inWords(schedule as ScheduleShape)}</code> },
          { name: "Name", kind: "keep", cell: ({ slug, id }) => (slug ? slug : <Copy text={id} />) },
          {
            name: "Catches up",
            kind: "keep",
            cell: ({ catchup_seconds }) =>
              catchup_seconds === null ? "as the service does" : `${lasting(catchup_seconds)} back`,
          },
          {
            name: "Change",
            kind: "keep",
            cell: (schedule) => (
              <Action kind="plain" run={() => toggle(schedule)}>
                {schedule.active ? "Switch off" : "Switch on"}
              </Action>
            ),
          },
        ]}
      />
    </Section>
  );
}
