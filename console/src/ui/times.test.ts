import { expect, test } from "vitest";
import { lasting, relative } from "./times";

test.each([
  [0.4118, "412 ms"],
  [8.25, "8.3 s"],
  [59.9, "59 s"],
  [245, "4 m 5 s"],
  [7_800, "2 h 10 m"],
  [3_600, "1 h"],
  [273_600, "3 d 4 h"],
  [-5, "-5.0 s"],
])("%d seconds are %s", (seconds, text) => expect(lasting(seconds)).toBe(text));

test.each([
  [0, "now"],
  [-12_000, "12 s ago"],
  [240_000, "in 4 m"],
  [-90_000_000, "1 d ago"],
])("%d ms from now is %s", (off, text) => expect(relative(1e12 + off, 1e12)).toBe(text));
