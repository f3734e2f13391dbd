import { useState } from "preact/hooks";
import { api } from "../api/client";
import type { QueueView } from "../api/types";
import { Action, sentence } from "../ui/action";
import { notify } from "../ui/notices";
import { Section } from "../ui/page";
import { Scroll } from "../ui/scroll";
import { PoolState } from "../ui/state";
import { When } from "../ui/time";
import { NewQueue, QueueLimit } from "./queue-forms";
import { withoutIds } from "./words";

interface Props {
  pool: string;
  queues: QueueView[];
  refresh: () => Promise<void>;
}

/** Queues by priority, which is changed by dragging a row, or by the arrow keys on its handle. */
export function Queues({ pool, queues, refresh }: Props) {
  const [dragged, setDragged] = useState<string | null>(null);
  const [target, setTarget] = useState<string | null>(null);
  const [isAdding, setAdding] = useState(false);

  async function move(id: string, by: number) {
    const from = queues.findIndex((queue) => queue.id === id);
    const place = queues[from + by];
    if (!place) return;
    try {
      await api.patch("/api/work_queues/{queue_id}", { params: { queue_id: id }, body: { priority: place.priority } });
      await refresh();
      notify(`${queues[from]?.name} now has priority ${place.priority}`);
    } catch (error) {
      notify(sentence(error), true);
    }
  }
  function drop(onto: string) {
    const from = queues.findIndex((queue) => queue.id === dragged);
    const by = queues.findIndex((queue) => queue.id === onto) - from;
    setDragged(null);
    setTarget(null);
    if (from >= 0 && by) void move(queues[from]?.id as string, by);
  }
  function onKey(event: KeyboardEvent, id: string) {
    if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
    event.preventDefault();
    void move(id, event.key === "ArrowUp" ? -1 : 1);
  }

  return (
    <Section
      title="Queues"
      note="the first that has something due goes first"
      actions={
        <button type="button" onClick={() => setAdding(true)}>
          + Add queue
        </button>
      }
    >
      <Scroll label="Queues by priority">
        <table aria-label="Queues by priority">
          <thead>
            <tr>
              <th scope="col">
                <span class="hidden-label">Move</span>
              </th>
              <th scope="col" class="number">
                Priority
              </th>
              <th scope="col">Queue</th>
              <th scope="col">State</th>
              <th scope="col">Slots</th>
              <th scope="col" class="number">
                Due
              </th>
              <th scope="col">Next due</th>
              <th scope="col">Next waits because</th>
              <th scope="col">
                <span class="hidden-label">Change</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {queues.map((queue) => (
              <tr
                key={queue.id}
                draggable
                class={dragged === queue.id ? "dragged" : target === queue.id ? "target" : undefined}
                onDragStart={(event) => {
                  event.dataTransfer?.setData("text/plain", queue.name);
                  setDragged(queue.id);
                }}
                onDragEnd={() => setDragged(null)}
                onDragOver={(event) => {
                  if (!dragged) return;
                  event.preventDefault();
                  setTarget(queue.id);
                }}
                onDrop={(event) => {
                  event.preventDefault();
                  drop(queue.id);
                }}
              >
                <td>
                  <button
                    type="button"
                    class="is-plain"
                    aria-label={`Move ${queue.name}: arrow up or down`}
                    title="Drag, or press ↑ ↓"
                    onKeyDown={(event) => onKey(event, queue.id)}
                  >
                    ⠿
                  </button>
                </td>
                <td class="number">{queue.priority}</td>
                <td class="keep" title={queue.description ?? undefined}>
                  {queue.name}
                </td>
                <td class="keep">
                  <PoolState status={queue.is_paused ? "PAUSED" : "READY"} />
                </td>
                <td class="keep">
                  <QueueLimit queue={queue} refresh={refresh} />
                </td>
                <td class="number">{queue.due}</td>
                <td class="keep">
                  <When at={queue.next_due} />
                </td>
                <td class="wide dim">{queue.waiting ? withoutIds(queue.waiting.message) : "nothing is due"}</td>
                <td class="keep">
                  <Change queue={queue} refresh={refresh} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {isAdding && <NewQueue pool={pool} close={() => setAdding(false)} refresh={refresh} />}
    </Section>
  );
}

function Change({ queue, refresh }: { queue: QueueView; refresh: () => Promise<void> }) {
  const params = { queue_id: queue.id };
  async function pause() {
    await api.patch("/api/work_queues/{queue_id}", { params, body: { is_paused: !queue.is_paused } });
    await refresh();
  }
  async function remove() {
    await api.delete("/api/work_queues/{queue_id}", { params });
    await refresh();
    return `Queue ${queue.name} was deleted`;
  }
  return (
    <>
      <Action kind="plain" run={pause}>
        {queue.is_paused ? "Resume" : "Pause"}
      </Action>
      {queue.name !== "default" && queue.occupied === 0 && queue.next_due === null && (
        <Action kind="plain" run={remove}>
          Delete
        </Action>
      )}
    </>
  );
}
