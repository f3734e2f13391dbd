/** A work pool's base job template, as text and as the defaults of its variables: one is made from the other. */
import { flawOf, pretty } from "./json-text";
import { isObject, type Schema, type Values } from "./schema";

export interface Template {
  variables: Schema;
  job_configuration: Values;
  [other: string]: unknown;
}

/** The template that a text holds, or null where it holds none. */
export function templateIn(text: string): Template | null {
  if (flawOf(text)) return null;
  const found: unknown = JSON.parse(text);
  return isObject(found) && isObject(found.variables) && isObject(found.job_configuration) ? (found as Template) : null;
}

/** The defaults that are set, by the names of the variables. */
export function defaultsOf(template: Template): Values {
  const fields = Object.entries(template.variables.properties ?? {});
  return Object.fromEntries(
    fields
      .filter(([, schema]) => schema.default !== undefined && schema.default !== null)
      .map(([name, schema]) => [name, schema.default]),
  );
}

/** The same template with these defaults; a variable without one has none. All else stays as it was written. */
export function withDefaults(template: Template, values: Values): string {
  const properties = Object.entries(template.variables.properties ?? {}).map(([name, schema]) => {
    const { default: before, ...rest } = schema;
    const value = values[name];
    if (value !== undefined) return [name, { ...schema, default: value }];
    return [name, before === null ? schema : rest];
  });
  return pretty({ ...template, variables: { ...template.variables, properties: Object.fromEntries(properties) } });
}

/** The variables' schema as a form for defaults needs it: nothing has to be set, and no default stands behind one. */
export function schemaOfDefaults(template: Template): Schema {
  const { required: _, ...schema } = template.variables;
  const properties = Object.entries(schema.properties ?? {}).map(([name, { default: __, ...rest }]) => [name, rest]);
  return { ...schema, properties: Object.fromEntries(properties) };
}
