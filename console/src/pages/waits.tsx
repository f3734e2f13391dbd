import type { QueueView } from "../api/types";
import { to } from "../router";
import { Section } from "../ui/page";
import { Table } from "../ui/table";
import { When } from "../ui/time";
import { Holders } from "./why";
import { withoutIds } from "./words";

/** What is due and has not started, by queue, and why. */
export function Waits({ queues }: { queues: QueueView[] }) {
  const waiting = queues.filter((queue) => queue.due > 0);
  const due = waiting.reduce((sum, queue) => sum + queue.due, 0);
  if (!waiting.length) {
    return (
      <Section title="What waits">
        <p class="empty">Nothing that is due waits.</p>
      </Section>
    );
  }
  return (
    <Section title="What waits" note={`${due} due, in the order in which they start`}>
      {waiting.map((queue) => (
        <div key={queue.id}>
          {queue.waiting && (
            <div class="why is-warn">
              <strong>
                {queue.name}: {withoutIds(queue.waiting.message)}
              </strong>
              <Holders waiting={queue.waiting} />
            </div>
          )}
          <Table
            label={`Runs that wait in ${queue.name}`}
            rows={queue.first}
            id={(run) => run.id}
            empty="They are being claimed."
            columns={[
              { name: "Run", kind: "keep", cell: (run) => <a href={to`/runs/${run.id}`}>{run.name}</a> },
              {
                name: "Deployment",
                kind: "wide",
                cell: (run) =>
                  run.deployment && <a href={to`/deployments/${run.deployment.id}`}>{run.deployment.name}</a>,
              },
              { name: "State", kind: "keep", cell: (run) => run.state_name },
              { name: "Due", kind: "keep", cell: (run) => <When at={run.due_at} /> },
            ]}
          />
          {queue.due > queue.first.length && (
            <p class="dim">
              and {queue.due - queue.first.length} more in {queue.name}
            </p>
          )}
        </div>
      ))}
    </Section>
  );
}
