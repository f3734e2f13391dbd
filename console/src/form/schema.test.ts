import { expect, test } from "vitest";
import { kindOf, numberIn, plain, type Schema, withValue } from "./schema";
import { faultsOf } from "./validate";

const root: Schema = {
  definitions: { Size: { type: "string", enum: ["small", "large"] }, Loop: { $ref: "#/definitions/Loop" } },
};

test.each<[Schema, string]>([
  [{ type: "string" }, "text"],
  [{ anyOf: [{ type: "integer" }, { type: "null" }] }, "number"],
  [{ allOf: [{ $ref: "#/definitions/Size" }], default: "small" }, "choice"],
  [{ type: ["boolean", "null"] }, "check"],
  [{ type: "object", additionalProperties: { anyOf: [{ type: "string" }, { type: "null" }] } }, "pairs"],
  [{ type: "object", additionalProperties: { type: ["string", "null"] } }, "pairs"],
  [{ type: "object", properties: { a: {} } }, "object"],
  [{ type: "array", items: { type: "string" } }, "list"],
  [{ type: "array", items: { type: "object" } }, "json"],
  [{ anyOf: [{ type: "string" }, { type: "integer" }] }, "json"],
  [{ $ref: "#/definitions/Loop" }, "json"],
  [{}, "json"],
])("%j is shown as %s", (schema, kind) => expect(kindOf(plain(schema, root)).kind).toBe(kind));

test("a field keeps its own words beside those that it refers to", () => {
  expect(plain({ allOf: [{ $ref: "#/definitions/Size" }], title: "Size of it" }, root)).toMatchObject({
    title: "Size of it",
    enum: ["small", "large"],
  });
});

test.each([
  ["256", 256],
  [" 1.5 ", 1.5],
  ["abc", "abc"],
  ["0x10", "0x10"],
  ["", undefined],
])("%j in a number's field is %j", (text, value) => expect(numberIn(text)).toBe(value));

test("what has no value is not there", () => expect(withValue({ a: 1, b: 2 }, "a", undefined)).toEqual({ b: 2 }));

test("faults name the field", () => {
  const schema: Schema = {
    type: "object",
    required: ["image"],
    properties: {
      cpu: { type: ["integer", "null"], minimum: 128 },
      net: { type: "object", properties: { id: { type: "string" } } },
    },
  };
  expect(faultsOf({ cpu: "abc", net: { id: 1 } }, schema)).toEqual({
    image: "This is needed",
    cpu: "This has to be an integer",
    "net/id": "This has to be a string",
  });
  expect(Object.keys(faultsOf({ image: "x", cpu: 1 }, schema))).toEqual(["cpu"]);
  expect(faultsOf({ image: "x", cpu: 256 }, schema)).toEqual({});
});
