import { useState } from "preact/hooks";
import { address, api, type Schemas } from "../api/client";
import { useRead } from "../api/use-read";
import { pretty } from "../form/json-text";
import { draftOf, TemplateEditor } from "../form/template-editor";
import type { Params } from "../routes";
import { go, to } from "../router";
import { Action } from "../ui/action";
import { Head, Loaded } from "../ui/page";
import { limitIn } from "./queue-forms";

export default function EditPool({ params }: { params: Params }) {
  const name = params.name as string;
  const read = useRead<Schemas["WorkPool"]>(address("/work_pools/{name}", { name }));
  return <Loaded read={read}>{(pool) => <Edit pool={pool} />}</Loaded>;
}

function Edit({ pool: given }: { pool: Schemas["WorkPool"] }) {
  const [pool] = useState(given); // what others save meanwhile does not overwrite what is typed here
  const [description, setDescription] = useState(pool.description ?? "");
  const [limit, setLimit] = useState(pool.concurrency_limit === null ? "" : String(pool.concurrency_limit));
  const [draft, setDraft] = useState(() => draftOf(pretty(pool.base_job_template)));
  const name = pool.name;
  const isGood = draft.isGood && limitIn(limit) !== undefined;

  async function save() {
    await api.patch("/api/work_pools/{name}", {
      params: { name },
      body: { description, concurrency_limit: limitIn(limit), base_job_template: draft.template },
    });
    go(to`/pools/${name}`);
    return `Work pool ${name} was saved`;
  }
  return (
    <>
      <Head title="Edit" of={<a href={to`/pools/${name}`}>{name}</a>} />
      <PoolDetails description={description} setDescription={setDescription} limit={limit} setLimit={setLimit} />
      <TemplateEditor
        draft={draft}
        change={setDraft}
        preview={(template) =>
          api.post("/api/skylift/work_pools/{name}/template/preview", {
            params: { name },
            body: { base_job_template: template },
          })
        }
      />
      <div class="bar buttons">
        <Action kind="main" run={save} disabled={!isGood}>
          Save
        </Action>
        <a class="button" href={to`/pools/${name}`}>
          Leave it as it was
        </a>
        {!isGood && <span class="dim">Something above is not in order yet</span>}
      </div>
    </>
  );
}

interface DetailsProps {
  description: string;
  setDescription: (text: string) => void;
  limit: string;
  setLimit: (text: string) => void;
}

export function PoolDetails({ description, setDescription, limit, setLimit }: DetailsProps) {
  const isWrong = limitIn(limit) === undefined;
  return (
    <div class="form">
      <div class="field">
        <label for="pool-description">Description</label>
        <input
          id="pool-description"
          value={description}
          onInput={(event) => setDescription(event.currentTarget.value)}
        />
      </div>
      <div class="field">
        <label for="pool-limit">Concurrency limit</label>
        <input
          id="pool-limit"
          inputMode="numeric"
          value={limit}
          aria-invalid={isWrong}
          aria-describedby="pool-limit-hint"
          placeholder="no limit"
          onInput={(event) => setLimit(event.currentTarget.value)}
        />
        <div id="pool-limit-hint">
          {isWrong && <p class="fault">This has to be a whole number, or empty</p>}
          <p class="hint">How many runs may hold a slot at once. Empty: any number.</p>
        </div>
      </div>
    </div>
  );
}
