import { useMemo, useState } from "preact/hooks";
import { address, api, type Schemas } from "../api/client";
import { useRead } from "../api/use-read";
import { flawOf, pretty } from "../form/json-text";
import { JsonEditor } from "../form/json-editor";
import { isObject, type Schema, type Values } from "../form/schema";
import { SchemaForm } from "../form/schema-form";
import { faultsOf } from "../form/validate";
import type { Params } from "../routes";
import { go, to } from "../router";
import { Action } from "../ui/action";
import { Head, Loaded, Section } from "../ui/page";

export default function NewRun({ params }: { params: Params }) {
  const read = useRead<Schemas["Deployment"]>(address("/deployments/{id}", { id: params.id as string }));
  return <Loaded read={read}>{(deployment) => <Form deployment={deployment} />}</Loaded>;
}

/** A run of a deployment: its parameters by their schema, when, and what it sets of the job variables. */
function Form({ deployment: given }: { deployment: Schemas["Deployment"] }) {
  const [deployment] = useState(given);
  const schema = deployment.parameter_openapi_schema as Schema | null;
  const hasSchema = isObject(schema?.properties);
  const [values, setValues] = useState<Values>(deployment.parameters);
  const [text, setText] = useState(() => pretty(deployment.parameters));
  const [variables, setVariables] = useState("{}");
  const [name, setName] = useState("");
  const [at, setAt] = useState("");

  const isEnforced = deployment.enforce_parameter_schema;
  const faults = useMemo(
    () => (hasSchema ? faultsOf(withDefaults(values, schema as Schema), schema as Schema) : {}),
    [values],
  );
  const parametersAreGood = hasSchema ? !isEnforced || !Object.keys(faults).length : isJsonObject(text);
  const isGood = parametersAreGood && isJsonObject(variables);

  async function start() {
    const run = await api.post("/api/deployments/{deployment_id}/create_flow_run", {
      params: { deployment_id: deployment.id },
      body: {
        name: name.trim() || undefined,
        parameters: hasSchema ? values : JSON.parse(text),
        job_variables: JSON.parse(variables),
        state: at ? { type: "SCHEDULED", state_details: { scheduled_time: new Date(at).toISOString() } } : undefined,
      },
    });
    go(to`/runs/${run.id}`);
  }
  return (
    <>
      <Head
        title="New run"
        of={
          <a href={to`/deployments/${deployment.id}`}>
            {deployment.flow_name} / {deployment.name}
          </a>
        }
      />
      <Section title="Parameters" note={hasSchema && !isEnforced && "their schema is not enforced"}>
        {hasSchema ? (
          Object.keys(schema?.properties ?? {}).length ? (
            <SchemaForm schema={schema as Schema} values={values} change={setValues} faults={faults} />
          ) : (
            <p class="empty">It takes none.</p>
          )
        ) : (
          <div class="form is-wide">
            <JsonEditor label="Parameters as JSON" rows={6} text={text} change={setText} />
          </div>
        )}
      </Section>
      <Section title="This run">
        <div class="form">
          <div class="field">
            <label for="run-name">Name</label>
            <input
              id="run-name"
              value={name}
              placeholder="one is made up"
              onInput={(event) => setName(event.currentTarget.value)}
            />
          </div>
          <div class="field">
            <label for="run-at">Start</label>
            <input
              id="run-at"
              type="datetime-local"
              step="1"
              value={at}
              aria-describedby="run-at-hint"
              onInput={(event) => setAt(event.currentTarget.value)}
            />
            <p class="hint" id="run-at-hint">
              In your time zone. Empty: now.
            </p>
          </div>
          <JsonEditor label="Job variables as JSON" rows={4} text={variables} change={setVariables} />
        </div>
      </Section>
      <div class="bar buttons">
        <Action kind="main" run={start} disabled={!isGood}>
          Start the run
        </Action>
        <a class="button" href={to`/deployments/${deployment.id}`}>
          Leave
        </a>
        {!isGood && <span class="dim">Something above is not in order yet</span>}
      </div>
    </>
  );
}

/** What the API checks: the schema's own defaults stand where nothing is set. */
function withDefaults(values: Values, schema: Schema): Values {
  const fields = Object.entries(schema.properties ?? {}).filter(([, each]) => each.default !== undefined);
  return { ...Object.fromEntries(fields.map(([name, each]) => [name, each.default])), ...values };
}

const isJsonObject = (text: string): boolean => !flawOf(text) && isObject(JSON.parse(text));
