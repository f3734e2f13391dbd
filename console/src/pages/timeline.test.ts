import { expect, test } from "vitest";
import { barsOf, tickOf } from "./timeline";

const at = (second: number) => new Date(1e12 + second * 1000).toISOString();
const steps = (kinds: [string, number][]) =>
  kinds.map(([kind, second]) => ({ at: at(second), kind, message: "", remedy: null, seconds: null }));
const attempt = (kinds: [string, number][], ended: number | null) => ({
  attempt_id: "a",
  number: 1,
  began_at: at(0),
  ended_at: ended === null ? null : at(ended),
  phase: null,
  handle: null,
  links: {},
  steps: steps(kinds),
});

test("an attempt goes from its slot over its start to its run", () => {
  const bars = barsOf(
    attempt(
      [
        ["claimed", 0],
        ["rendered", 1],
        ["launched", 2],
        ["first word", 9],
        ["provider", 10],
        ["last word", 20],
        ["ended", 21],
      ],
      22,
    ),
    0,
  );
  expect(bars.map(({ stage, from, until }) => [stage, (from - 1e12) / 1000, (until - 1e12) / 1000])).toEqual([
    ["wait", 0, 2],
    ["launch", 2, 9],
    ["run", 9, 20],
    ["stop", 20, 22],
  ]);
});

test("one that is under way lasts until now", () => {
  expect(
    barsOf(
      attempt(
        [
          ["claimed", 0],
          ["launched", 1],
        ],
        null,
      ),
      1e12 + 5_000,
    ).at(-1)?.until,
  ).toBe(1e12 + 5_000);
});

test.each([
  [0.6, 0.1],
  [7, 1],
  [65, 10],
  [5000, 1200],
  [1e7, 1296000],
])("over %d s a line every %d s", (span, tick) => expect(tickOf(span)).toBe(tick));
