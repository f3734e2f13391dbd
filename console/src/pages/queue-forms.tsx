import { useState } from "preact/hooks";
import { api } from "../api/client";
import type { QueueView } from "../api/types";
import { Action, sentence } from "../ui/action";
import { Dialog } from "../ui/dialog";
import { notify } from "../ui/notices";

/** A limit as it is typed: empty means none. `undefined` where it is no number of slots. */
export function limitIn(text: string): number | null | undefined {
  if (!text.trim()) return null;
  return /^\d+$/.test(text.trim()) ? Number(text) : undefined;
}

/** How many slots a queue uses, and how many it may: the limit is changed in place. */
export function QueueLimit({ queue, refresh }: { queue: QueueView; refresh: () => Promise<void> }) {
  const [text, setText] = useState<string | null>(null);
  const limit = text === null ? queue.concurrency_limit : limitIn(text);
  async function save(event: Event) {
    event.preventDefault();
    if (text === null) return;
    if (limit === undefined)
      return notify(`The limit of ${queue.name} has to be a whole number, or empty for none`, true);
    try {
      if (limit !== queue.concurrency_limit) {
        await api.patch("/api/work_queues/{queue_id}", {
          params: { queue_id: queue.id },
          body: { concurrency_limit: limit },
        });
        await refresh();
      }
      setText(null);
    } catch (error) {
      notify(sentence(error), true);
    }
  }
  return (
    <form onSubmit={save}>
      {queue.occupied} /{" "}
      <input
        size={5}
        inputMode="numeric"
        placeholder="no limit"
        aria-label={`Limit of ${queue.name}`}
        aria-invalid={limit === undefined}
        value={text ?? queue.concurrency_limit ?? ""}
        onInput={(event) => setText(event.currentTarget.value)}
        onBlur={save}
        onKeyDown={(event) => event.key === "Escape" && setText(null)}
      />
    </form>
  );
}

export function NewQueue({ pool, close, refresh }: { pool: string; close: () => void; refresh: () => Promise<void> }) {
  const [name, setName] = useState("");
  const [priority, setPriority] = useState("");
  const [limit, setLimit] = useState("");
  const isGood = name.trim() && limitIn(limit) !== undefined && limitIn(priority) !== undefined;
  async function make() {
    await api.post("/api/work_pools/{name}/queues", {
      params: { name: pool },
      body: { name: name.trim(), priority: limitIn(priority), concurrency_limit: limitIn(limit) },
    });
    await refresh();
    close();
    return `Queue ${name.trim()} was added`;
  }
  const fields: [string, string, string, (text: string) => void][] = [
    ["Name", "", name, setName],
    ["Priority", "1 goes first; empty: behind the others", priority, setPriority],
    ["Limit", "slots at once; empty: none of its own", limit, setLimit],
  ];
  return (
    <Dialog
      title="New queue"
      close={close}
      actions={
        <Action kind="main" run={make} disabled={!isGood}>
          Add queue
        </Action>
      }
    >
      {fields.map(([label, hint, value, change]) => (
        <div class="field" key={label}>
          <label for={`queue-${label}`}>{label}</label>
          <input id={`queue-${label}`} value={value} onInput={(event) => change(event.currentTarget.value)} />
          {hint && <p class="hint">{hint}</p>}
        </div>
      ))}
    </Dialog>
  );
}
