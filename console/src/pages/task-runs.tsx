import { address, type Schemas } from "../api/client";
import { isOver } from "../api/types";
import { useRead } from "../api/use-read";
import { Copy } from "../ui/copy";
import { Loaded, Section } from "../ui/page";
import { RunState } from "../ui/state";
import { Table } from "../ui/table";
import { At, Took } from "../ui/time";

const MOST = 200;

export function TaskRuns({ runId, isLive }: { runId: string; isLive: boolean }) {
  const body = { flow_runs: { id: { any_: [runId] } }, sort: "EXPECTED_START_TIME_ASC", limit: MOST };
  const read = useRead<Schemas["TaskRun"][]>(address("/task_runs/filter"), () => isLive, body);
  return (
    <Section title="Tasks" note={read.data?.length === MOST && `the first ${MOST}`}>
      <Loaded read={read}>
        {(tasks) => (
          <Table
            label="Tasks"
            rows={tasks}
            id={(task) => task.id}
            empty="No task has run. Plain Python and commands have none."
            columns={[
              { name: "Task", kind: "wide", cell: (task) => task.name },
              {
                name: "State",
                kind: "keep",
                cell: (task) =>
                  task.state_type && <RunState type={task.state_type} name={task.state_name ?? task.state_type} />,
              },
              { name: "Started", kind: "keep", cell: (task) => <At at={task.start_time} /> },
              {
                name: "Took",
                kind: "keep",
                cell: (task) => (
                  <Took
                    from={task.start_time}
                    until={
                      task.end_time ??
                      (task.state_type && isOver({ state_type: task.state_type }) ? task.start_time : null)
                    }
                  />
                ),
              },
              { name: "Runs", kind: "number", cell: (task) => task.run_count },
              { name: "ID", kind: "keep", cell: (task) => <Copy text={task.id} /> },
            ]}
          />
        )}
      </Loaded>
    </Section>
  );
}
