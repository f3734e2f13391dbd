import { expect, test } from "vitest";
import { flawOf } from "./json-text";

test.each(['{"a": [1, -2.5e3, "x\\n", null, true, {}], "b": {"c": []}}', " 1 ", '"é"'])("%s is JSON", (text) => {
  expect(() => JSON.parse(text)).not.toThrow();
  expect(flawOf(text)).toBeNull();
});

test.each([
  ["", 1, 1, "a value"],
  ['{\n  "a": 1,\n}', 3, 1, "a name in double quotes"],
  ['{"a": 1\n "b": 2}', 2, 2, "a comma or }"],
  ['{"a" 1}', 1, 6, "a colon"],
  ["[1, 2", 1, 6, "a comma or ]"],
  ["[01]", 1, 3, "a comma or ]"],
  ['{"a": "x\ny"}', 1, 7, "no proper end"],
  ["{} x", 1, 4, "nothing more"],
  ["{'a': 1}", 1, 2, "a name in double quotes"],
  ["tru", 1, 1, "a value"],
])("%j breaks in line %d at column %d", (text, line, column, says) => {
  expect(() => JSON.parse(text)).toThrow();
  expect(flawOf(text)).toMatchObject({ line, column, message: expect.stringContaining(says) });
});

test("a name that stands twice is told, which JSON.parse would pass over", () => {
  expect(flawOf('{"a": 1, "a": 2}')).toMatchObject({ column: 10 });
});
