import { Validator, type Schema as CheckedSchema } from "@cfworker/json-schema";
import type { Schema, Values } from "./schema";

/** Sentences by the path of the field, its parts joined by slashes. */
export type Faults = Record<string, string>;

/** Keywords that only say that something further in is wrong. */
const WRAPPERS = new Set([
  "properties",
  "items",
  "additionalProperties",
  "allOf",
  "$ref",
  "prefixItems",
  "patternProperties",
]);

/** Interpreted, not compiled: the page's policy allows no code that is made while it runs. */
export function faultsOf(values: Values, schema: Schema): Faults {
  const { errors } = new Validator(schema as CheckedSchema, "2020-12", false).validate(values);
  const found: Faults = {};
  for (const { keyword, instanceLocation, error } of errors) {
    if (WRAPPERS.has(keyword)) continue;
    const path = instanceLocation.replace(/^#\/?/, "");
    if (keyword === "required") {
      const name = /"([^"]+)"/.exec(error)?.[1];
      if (name) found[path ? `${path}/${name}` : name] ??= "This is needed";
      continue;
    }
    if (keyword === "false") continue;
    found[path] ??= wording(keyword, error);
  }
  return found;
}

function wording(keyword: string, error: string): string {
  if (keyword === "type") {
    const wanted = [...error.slice(error.indexOf("Expected")).matchAll(/"(\w+)"/g)].map(([, type]) => type as string);
    const words = wanted
      .filter((type) => type !== "null")
      .map((type) => `${/^[aeiou]/.test(type) ? "an" : "a"} ${type}`);
    return `This has to be ${words.join(" or ")}`;
  }
  return error.replace(/^Instance /, "This ").replace(/^This does not match any of/, "This is none of");
}

/** Faults as the server tells them, by the same paths. */
export function faultsAt(faults: { path: string[]; message: string }[], strip: string[] = []): Faults {
  const found: Faults = {};
  for (const { path, message } of faults) {
    const own = path.filter((part, number) => !(number < strip.length && strip[number] === part));
    found[own.join("/")] ??= message;
  }
  return found;
}
