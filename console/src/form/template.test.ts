import { expect, test } from "vitest";
import { defaultsOf, schemaOfDefaults, templateIn, withDefaults } from "./template";

const text = JSON.stringify({
  variables: {
    type: "object",
    required: ["image"],
    properties: { image: { type: "string" }, cpu: { type: "integer", default: 256 }, logs: { default: null } },
  },
  job_configuration: { cpu: "{{ cpu }}" },
  more: 1,
});
const template = templateIn(text)!;

test("defaults are those that are set", () => expect(defaultsOf(template)).toEqual({ cpu: 256 }));

test("a change of the defaults is a change of the text, and nothing else changes", () => {
  const changed = templateIn(withDefaults(template, { image: "a:1" }))!;
  expect(defaultsOf(changed)).toEqual({ image: "a:1" });
  expect(changed.variables.properties).toEqual({
    image: { type: "string", default: "a:1" },
    cpu: { type: "integer" },
    logs: { default: null },
  });
  expect({ ...changed, variables: null }).toEqual({ ...template, variables: null });
  expect(withDefaults(changed, { cpu: 256 })).toEqual(JSON.stringify(template, null, 2));
});

test("in the form of the defaults nothing has to be set", () => {
  expect(schemaOfDefaults(template)).toMatchObject({ properties: { cpu: { type: "integer" } } });
  expect(schemaOfDefaults(template).required).toBeUndefined();
  expect(schemaOfDefaults(template).properties?.cpu).not.toHaveProperty("default");
});

test.each(["{", "[]", '{"variables": {}}'])("%s is no template", (wrong) => expect(templateIn(wrong)).toBeNull());
