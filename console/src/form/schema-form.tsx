import { useId } from "preact/hooks";
import { JsonField, ListField, PairsField } from "./compound-fields";
import { fieldsOf, isObject, kindOf, numberIn, plain, type Schema, type Values, withValue } from "./schema";
import type { Faults } from "./validate";

interface FormProps {
  schema: Schema;
  values: Values;
  change: (values: Values) => void;
  faults: Faults;
  /** What holds where a field is left empty; by default the schema's own defaults. */
  inherited?: Values;
}

/** A form for an object: what is left empty is not set, and what then holds stands in the field as its placeholder. */
export function SchemaForm({ schema, ...rest }: FormProps) {
  return (
    <form class="form" onSubmit={(event) => event.preventDefault()}>
      <Fields fields={fieldsOf(plain(schema, schema))} needed={schema.required ?? []} root={schema} path="" {...rest} />
    </form>
  );
}

interface FieldsProps extends Omit<FormProps, "schema"> {
  fields: [string, Schema][];
  needed: string[];
  root: Schema;
  path: string;
}

function Fields({ fields, needed, root, path, values, change, faults, inherited }: FieldsProps) {
  return (
    <>
      {fields.map(([name, schema]) => {
        const own = plain(schema, root);
        return (
          <Field
            key={name}
            name={own.title ?? name}
            path={path ? `${path}/${name}` : name}
            schema={own}
            root={root}
            isNeeded={needed.includes(name) && own.default === undefined}
            value={values[name]}
            inherited={inherited ? inherited[name] : own.default}
            change={(value) => change(withValue(values, name, value))}
            faults={faults}
          />
        );
      })}
    </>
  );
}

export interface FieldProps {
  name: string;
  path: string;
  schema: Schema;
  root: Schema;
  isNeeded: boolean;
  value: unknown;
  inherited: unknown;
  change: (value: unknown) => void;
  faults: Faults;
}

/** What an input needs to be known by its label, its hint and its fault. */
export interface InputProps {
  id: string;
  "aria-describedby": string;
  "aria-invalid": boolean;
  "aria-required": boolean;
}

function Field(props: FieldProps) {
  const { name, path, schema, root, isNeeded, value, change, faults, inherited } = props;
  const id = useId();
  const kind = kindOf(schema);
  const fault = faults[path];
  if (kind.kind === "object") {
    return (
      <fieldset>
        <legend>{name}</legend>
        {schema.description && <p class="dim">{schema.description}</p>}
        <Fields
          fields={kind.fields}
          needed={schema.required ?? []}
          root={root}
          path={path}
          values={isObject(value) ? value : {}}
          change={(next) => change(Object.keys(next).length ? next : undefined)}
          faults={faults}
          inherited={isObject(inherited) ? inherited : undefined}
        />
      </fieldset>
    );
  }
  const input: InputProps = {
    id,
    "aria-describedby": `${id}-hint`,
    "aria-invalid": fault !== undefined,
    "aria-required": isNeeded,
  };
  const isGroup = kind.kind === "pairs" || kind.kind === "list";
  return (
    <div
      class="field"
      data-field={path}
      role={isGroup ? "group" : undefined}
      aria-labelledby={isGroup ? `${id}-label` : undefined}
    >
      {isGroup ? (
        <span class="label" id={`${id}-label`}>
          {name}
        </span>
      ) : (
        <label for={id}>
          {name}
          {isNeeded && <span class="dim"> (needed)</span>}
        </label>
      )}
      <Input {...props} input={input} />
      <div id={`${id}-hint`}>
        {fault && <p class="fault">{fault}</p>}
        {schema.description && <p class="hint">{schema.description}</p>}
      </div>
    </div>
  );
}

const shown = (value: unknown): string =>
  typeof value === "string" ? value : value === undefined || value === null ? "" : JSON.stringify(value);

function Input(props: FieldProps & { input: InputProps }) {
  const { schema, value, change, inherited, input } = props;
  const kind = kindOf(schema);
  const placeholder = shown(inherited);
  const onText = (event: Event) => (event.target as HTMLInputElement).value;
  switch (kind.kind) {
    case "choice":
      return <Choice input={input} options={kind.options} value={value} change={change} inherited={inherited} />;
    case "check":
      return <Choice input={input} options={[true, false]} value={value} change={change} inherited={inherited} />;
    case "number":
      return (
        <input
          {...input}
          inputMode="decimal"
          value={shown(value)}
          placeholder={placeholder}
          onInput={(event) => change(numberIn(onText(event)))}
        />
      );
    case "pairs":
      return <PairsField {...props} />;
    case "list":
      return <ListField {...props} />;
    case "json":
      return <JsonField {...props} />;
    default:
      return (
        <input
          {...input}
          type={kind.kind === "secret" ? "password" : "text"}
          autocomplete="off"
          value={shown(value)}
          placeholder={placeholder}
          onInput={(event) => change(onText(event) || undefined)}
        />
      );
  }
}

interface ChoiceProps {
  input: InputProps;
  options: unknown[];
  value: unknown;
  inherited: unknown;
  change: (value: unknown) => void;
}

const WORDS: Record<string, string> = { true: "yes", false: "no" };
const word = (value: unknown): string => WORDS[String(value)] ?? shown(value);

function Choice({ input, options, value, inherited, change }: ChoiceProps) {
  const current = options.findIndex((each) => each === value);
  return (
    <select {...input} value={String(current)} onChange={(event) => change(options[Number(event.currentTarget.value)])}>
      <option value="-1">
        {inherited === undefined || inherited === null ? "not set" : `default: ${word(inherited)}`}
      </option>
      {options.map((each, number) => (
        <option key={String(each)} value={String(number)}>
          {word(each)}
        </option>
      ))}
    </select>
  );
}
