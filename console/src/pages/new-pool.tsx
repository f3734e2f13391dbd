import { useState } from "preact/hooks";
import { address, api } from "../api/client";
import { useRead } from "../api/use-read";
import { pretty } from "../form/json-text";
import { type Draft, draftOf, TemplateEditor } from "../form/template-editor";
import { go, to } from "../router";
import { Action } from "../ui/action";
import { Head, Loaded, Section } from "../ui/page";
import { PoolDetails } from "./edit-pool";
import { limitIn } from "./queue-forms";

interface PoolType {
  type: string;
  display_name: string;
  description: string;
  default_base_job_configuration: Record<string, unknown>;
}

export default function NewPool() {
  const read = useRead<Record<string, Record<string, PoolType>>>(
    address("/collections/views/aggregate-worker-metadata"),
  );
  return (
    <>
      <Head title="New work pool" of={<a href="#/pools">Work pools</a>} />
      <Loaded read={read}>
        {(collections) => <Wizard types={Object.values(collections).flatMap((each) => Object.values(each))} />}
      </Loaded>
    </>
  );
}

const isPushed = ({ type }: PoolType): boolean => type.endsWith(":push") || type.endsWith(":managed");

/** Type, details and template on one page: nothing is lost by going back, and nothing is hidden. */
function Wizard({ types }: { types: PoolType[] }) {
  const [chosen, setChosen] = useState<PoolType | null>(null);
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const [limit, setLimit] = useState("");
  const [draft, setDraft] = useState<Draft | null>(null);
  const isGood = name.trim() && limitIn(limit) !== undefined && draft?.isGood;

  function choose(type: PoolType) {
    setChosen(type);
    setDraft(draftOf(pretty(type.default_base_job_configuration)));
  }
  async function make() {
    if (!chosen || !draft?.template) return;
    const body = {
      name: name.trim(),
      type: chosen.type,
      description,
      concurrency_limit: limitIn(limit),
      base_job_template: draft.template,
    };
    await api.post("/api/work_pools/", { body });
    go(to`/pools/${body.name}`);
    return `Work pool ${body.name} was made`;
  }
  const groups: [string, PoolType[]][] = [
    ["Runs are pushed to your infrastructure; no worker is needed", types.filter(isPushed)],
    ["Workers of yours poll for runs", types.filter((type) => !isPushed(type))],
  ];
  return (
    <>
      <Section
        title="1. Type"
        note={
          chosen && (
            <>
              {chosen.display_name}{" "}
              <button type="button" class="is-plain" onClick={() => setChosen(null)}>
                Choose another
              </button>
            </>
          )
        }
      >
        {!chosen &&
          groups.map(
            ([title, some]) =>
              some.length > 0 && (
                <div key={title}>
                  <h3>{title}</h3>
                  <ul class="choices">
                    {some.map((type) => (
                      <li key={type.type}>
                        <button type="button" onClick={() => choose(type)}>
                          <span>{type.display_name}</span>
                          <span class="mono dim">{type.type}</span>
                          <span class="dim">{type.description}</span>
                        </button>
                      </li>
                    ))}
                  </ul>
                </div>
              ),
          )}
      </Section>
      {chosen && draft && (
        <>
          <Section title="2. Details">
            <div class="form">
              <div class="field">
                <label for="pool-name">
                  Name <span class="dim">(needed)</span>
                </label>
                <input id="pool-name" value={name} autofocus onInput={(event) => setName(event.currentTarget.value)} />
              </div>
            </div>
            <PoolDetails description={description} setDescription={setDescription} limit={limit} setLimit={setLimit} />
          </Section>
          <Section title="3. What runs get">
            <TemplateEditor
              draft={draft}
              change={setDraft}
              preview={(template) =>
                api.post("/api/skylift/template/preview", { body: { base_job_template: template } })
              }
            />
          </Section>
          <div class="bar buttons">
            <Action kind="main" run={make} disabled={!isGood}>
              Create work pool
            </Action>
            <a class="button" href="#/pools">
              Leave
            </a>
            {!isGood && (
              <span class="dim">{name.trim() ? "Something above is not in order yet" : "It needs a name"}</span>
            )}
          </div>
        </>
      )}
    </>
  );
}
