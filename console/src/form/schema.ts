/** What a JSON Schema says about one field, as far as a form can show it; what it cannot is edited as JSON. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  title?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  const?: unknown;
  format?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  items?: Schema;
  allOf?: Schema[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  definitions?: Record<string, Schema>;
  $defs?: Record<string, Schema>;
  position?: number;
  minimum?: number;
  maximum?: number;
  writeOnly?: boolean;
  [other: string]: unknown;
}

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
export type Values = Record<string, unknown>;

export type Kind =
  | { kind: "text" | "number" | "check" | "json" | "secret" }
  | { kind: "choice"; options: unknown[] }
  | { kind: "object"; fields: [string, Schema][] }
  | { kind: "pairs" }
  | { kind: "list" };

export const isObject = (value: unknown): value is Values =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The schema with references and wrappers of one looked through; `null` beside one other type is dropped. */
export function plain(schema: Schema, root: Schema, depth = 0): Schema {
  if (depth > 12) return {}; // a reference to itself
  if (schema.$ref) {
    const target = lookup(schema.$ref, root);
    const { $ref: _, ...own } = schema;
    return plain({ ...target, ...own }, root, depth + 1);
  }
  for (const word of ["allOf", "anyOf", "oneOf"] as const) {
    const some = schema[word]?.filter((each) => each.type !== "null");
    if (some?.length === 1) {
      const { [word]: _, ...own } = schema;
      return plain({ ...plain(some[0] as Schema, root, depth + 1), ...own }, root, depth + 1);
    }
  }
  if (Array.isArray(schema.type)) {
    const types = schema.type.filter((each) => each !== "null");
    if (types.length === 1) return { ...schema, type: types[0] };
  }
  return schema;
}

function lookup(ref: string, root: Schema): Schema {
  let found: unknown = root;
  for (const part of ref.replace(/^#\/?/, "").split("/")) {
    found = isObject(found) ? found[part.replace(/~1/g, "/").replace(/~0/g, "~")] : undefined;
  }
  return isObject(found) ? (found as Schema) : {};
}

export function isNullable(schema: Schema): boolean {
  return (
    [schema.type].flat().includes("null") || (schema.anyOf ?? schema.oneOf ?? []).some((each) => each.type === "null")
  );
}

/** How a field is shown. `schema` is a plain one. */
export function kindOf(schema: Schema): Kind {
  if (schema.enum) return { kind: "choice", options: schema.enum.filter((each) => each !== null) };
  switch (schema.type) {
    case "string":
      return { kind: schema.writeOnly || schema.format === "password" ? "secret" : "text" };
    case "integer":
    case "number":
      return { kind: "number" };
    case "boolean":
      return { kind: "check" };
    case "array": {
      const items = schema.items?.type;
      return { kind: items === "string" && !schema.items?.enum ? "list" : "json" };
    }
    case "object":
      if (schema.properties && Object.keys(schema.properties).length)
        return { kind: "object", fields: fieldsOf(schema) };
      return { kind: isObject(schema.additionalProperties) && isText(schema.additionalProperties) ? "pairs" : "json" };
    default:
      return { kind: "json" };
  }
}

const isText = (schema: Schema): boolean => {
  const options = schema.anyOf ?? [schema];
  const types = options.flatMap((each) => each.type ?? "any");
  return types.includes("string") && types.every((type) => type === "string" || type === "null");
};

/** In the order in which the schema's author wants them. */
export function fieldsOf(schema: Schema): [string, Schema][] {
  const fields = Object.entries(schema.properties ?? {});
  return fields.sort(([, one], [, other]) => (one.position ?? 0) - (other.position ?? 0));
}

/** What stands in a number's field: a number where it is one, else the text itself, which then is a fault to show. */
export function numberIn(text: string): number | string | undefined {
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  const found = Number(trimmed);
  return Number.isFinite(found) && !/^0[xob]/i.test(trimmed) ? found : text;
}

/** The object without the name where there is no value, so that what is not set is inherited. */
export function withValue(values: Values, name: string, value: unknown): Values {
  const { [name]: _, ...rest } = values;
  return value === undefined ? rest : { ...values, [name]: value };
}
