import { useEffect, useState } from "preact/hooks";
import { flawOf, pretty } from "./json-text";
import { isObject } from "./schema";
import type { FieldProps, InputProps } from "./schema-form";

type Props = FieldProps & { input: InputProps };
const valueOf = (event: Event) => (event.target as HTMLInputElement).value;

/** Names and values, such as environment variables. A row is kept while it is typed, also with its name still empty. */
export function PairsField({ name, value, inherited, change }: Props) {
  const [rows, setRows] = useState<[string, string][]>(() => pairsOf(value));
  useEffect(() => {
    if (JSON.stringify(objectOf(rows)) !== JSON.stringify(objectOf(pairsOf(value)))) setRows(pairsOf(value));
  }, [value]);
  function put(next: [string, string][]) {
    setRows(next);
    change(objectOf(next));
  }
  const replaced = (number: number, row: [string, string]) =>
    put(rows.map((each, other) => (other === number ? row : each)));
  const known = pairsOf(inherited);
  return (
    <>
      {!rows.length && known.length > 0 && <p class="hint">default: {known.map(([key]) => key).join(", ")}</p>}
      <ul class="rows">
        {rows.map(([key, text], number) => (
          <li key={number}>
            <input
              aria-label={`${name}: name ${number + 1}`}
              value={key}
              onInput={(event) => replaced(number, [valueOf(event), text])}
            />
            <input
              aria-label={`${name}: value of ${key || number + 1}`}
              value={text}
              onInput={(event) => replaced(number, [key, valueOf(event)])}
            />
            <Remove
              what={`${name} ${key || number + 1}`}
              run={() => put(rows.filter((_, other) => other !== number))}
            />
          </li>
        ))}
      </ul>
      <Add what={name} run={() => put([...rows, ["", ""]])} />
    </>
  );
}

const pairsOf = (value: unknown): [string, string][] =>
  isObject(value)
    ? Object.entries(value).map(([key, each]) => [key, typeof each === "string" ? each : JSON.stringify(each)])
    : [];

function objectOf(rows: [string, string][]): Record<string, string> | undefined {
  const named = rows.filter(([key]) => key);
  return named.length ? Object.fromEntries(named) : undefined;
}

/** Texts in order, such as a command's arguments. */
export function ListField({ name, value, inherited, change }: Props) {
  const rows = Array.isArray(value) ? value.map(String) : [];
  const put = (next: string[]) => change(next.length ? next : undefined);
  return (
    <>
      {!rows.length && Array.isArray(inherited) && inherited.length > 0 && (
        <p class="hint">default: {inherited.join(", ")}</p>
      )}
      <ul class="rows">
        {rows.map((text, number) => (
          <li key={number}>
            <input
              aria-label={`${name} ${number + 1}`}
              value={text}
              onInput={(event) => put(rows.map((each, other) => (other === number ? valueOf(event) : each)))}
            />
            <Remove what={`${name} ${number + 1}`} run={() => put(rows.filter((_, other) => other !== number))} />
          </li>
        ))}
      </ul>
      <Add what={name} run={() => put([...rows, ""])} />
    </>
  );
}

/** Whatever no simpler field fits. While the text is no JSON, the text itself is the value: no object, so a fault. */
export function JsonField({ value, inherited, change, input }: Props) {
  const [text, setText] = useState(() => textOf(value));
  useEffect(() => {
    if (JSON.stringify(read(text)) !== JSON.stringify(value)) setText(textOf(value));
  }, [value]);
  const flaw = text.trim() ? flawOf(text) : null;
  return (
    <>
      <textarea
        {...input}
        aria-invalid={input["aria-invalid"] || flaw !== null}
        rows={Math.min(12, Math.max(2, text.split("\n").length))}
        value={text}
        placeholder={inherited === undefined || inherited === null ? "JSON" : JSON.stringify(inherited)}
        spellcheck={false}
        onInput={(event) => {
          setText(valueOf(event));
          change(read(valueOf(event)));
        }}
      />
      {flaw && (
        <p class="hint">
          As JSON: line {flaw.line}, column {flaw.column}: {flaw.message}
        </p>
      )}
    </>
  );
}

const textOf = (value: unknown): string =>
  value === undefined ? "" : typeof value === "string" ? value : pretty(value);

function read(text: string): unknown {
  if (!text.trim()) return undefined;
  return flawOf(text) ? text : JSON.parse(text);
}

function Add({ what, run }: { what: string; run: () => void }) {
  return (
    <div>
      <button type="button" class="is-plain" aria-label={`Add to ${what}`} onClick={run}>
        + Add
      </button>
    </div>
  );
}

function Remove({ what, run }: { what: string; run: () => void }) {
  return (
    <button type="button" class="is-plain" aria-label={`Remove ${what}`} onClick={run}>
      Remove
    </button>
  );
}
