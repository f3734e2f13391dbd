import { useMemo, useState } from "preact/hooks";
import { JsonEditor } from "./json-editor";
import { Preview, type RunPreview } from "./preview";
import { SchemaForm } from "./schema-form";
import { defaultsOf, schemaOfDefaults, type Template, templateIn, withDefaults } from "./template";
import { type Faults, faultsOf } from "./validate";

type Tab = "Defaults" | "Advanced" | "Preview";
const TABS: Tab[] = ["Defaults", "Advanced", "Preview"];

export interface Draft {
  text: string;
  template: Template | null;
  faults: Faults;
  isGood: boolean;
}

export function draftOf(text: string): Draft {
  const template = templateIn(text);
  const faults = template ? faultsOf(defaultsOf(template), schemaOfDefaults(template)) : {};
  return { text, template, faults, isGood: template !== null && !Object.keys(faults).length };
}

interface Props {
  draft: Draft;
  change: (draft: Draft) => void;
  preview: RunPreview;
}

/** A base job template: its variables' defaults as a form, the whole as JSON, and what is made of it. The text is what
 *  is edited in both, so that they never differ. */
export function TemplateEditor({ draft, change, preview }: Props) {
  const [tab, setTab] = useState<Tab>("Defaults");
  const schema = useMemo(() => draft.template && schemaOfDefaults(draft.template), [draft.template]);
  return (
    <>
      <div class="tabs" role="tablist" aria-label="Template">
        {TABS.map((each) => (
          <button
            key={each}
            type="button"
            role="tab"
            id={`tab-${each}`}
            aria-selected={each === tab}
            aria-controls="template-panel"
            onClick={() => setTab(each)}
          >
            {each}
          </button>
        ))}
      </div>
      <div id="template-panel" role="tabpanel" aria-labelledby={`tab-${tab}`}>
        {tab === "Defaults" && draft.template && schema && (
          <>
            <p class="dim intro">What runs get where their deployment sets nothing else. Empty: not set.</p>
            <SchemaForm
              schema={schema}
              values={defaultsOf(draft.template)}
              change={(values) => change(draftOf(withDefaults(draft.template as Template, values)))}
              faults={draft.faults}
            />
          </>
        )}
        {tab === "Defaults" && !draft.template && (
          <p class="empty">
            The template is not in order:{" "}
            <button type="button" onClick={() => setTab("Advanced")}>
              correct it under Advanced
            </button>
          </p>
        )}
        {tab === "Advanced" && (
          <div class="form is-wide">
            <JsonEditor label="Base job template" text={draft.text} change={(text) => change(draftOf(text))} />
            <Standing draft={draft} />
          </div>
        )}
        {tab === "Preview" && <Preview template={draft.template} run={preview} />}
      </div>
    </>
  );
}

/** What is wrong beyond the JSON itself. */
function Standing({ draft }: { draft: Draft }) {
  const faults = Object.entries(draft.faults);
  return (
    <div role="status">
      {faults.map(([path, fault]) => (
        <p key={path} class="fault">
          Default of <code>{path}</code>: {fault}
        </p>
      ))}
      {!draft.template && (
        <p class="dim">
          A template is an object with <code>variables</code> and <code>job_configuration</code>.
        </p>
      )}
    </div>
  );
}
