import { expect, test } from "vitest";
import { saidBy, withoutIds, withoutRemedy } from "./words";

test("names stand without their identifiers", () =>
  expect(withoutIds("1 of 1 slots: brave-otter (01a2144c-3409-7f2b-b0f2-60461834a10b)")).toBe(
    "1 of 1 slots: brave-otter",
  ));

test("the provider's words begin with what it said", () =>
  expect(saidBy("The provider says: ended (exit code None): CannotPull: not found")).toBe("CannotPull: not found"));

test.each<[string, string | null, string]>([
  ["It broke. Mend it", "Mend it", "It broke."],
  ["It broke", null, "It broke"],
])("what to do is not told twice", (why, remedy, rest) => expect(withoutRemedy(why, remedy)).toBe(rest));
