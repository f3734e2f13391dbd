/** The bars of the attempts' chart: which part of an attempt was what. Pure. */
import type { AttemptStory } from "../api/types";

export type Stage = "wait" | "launch" | "run" | "stop";

export const STAGES: Record<Stage, string> = {
  wait: "has a slot",
  launch: "starts at the provider",
  run: "runs",
  stop: "ends",
};

/** From which kind of step on an attempt is in which stage. It never goes back to an earlier one. */
const BEGINS: Record<string, Stage> = {
  claimed: "wait",
  launched: "launch",
  provider: "launch",
  "first word": "run",
  running: "run",
  "last word": "stop",
  "gave up": "stop",
  cancelling: "stop",
  ended: "stop",
};
const ORDER: Stage[] = ["wait", "launch", "run", "stop"];

export interface Bar {
  stage: Stage;
  /** Milliseconds since the epoch. */
  from: number;
  until: number;
}

export function barsOf(attempt: AttemptStory, end: number): Bar[] {
  const bars: Bar[] = [];
  let stage: Stage = "wait";
  for (const step of attempt.steps) {
    const at = Date.parse(step.at);
    const begun = step.kind === "provider" && step.message.includes("running") ? "run" : BEGINS[step.kind];
    if (begun && ORDER.indexOf(begun) > ORDER.indexOf(stage)) stage = begun;
    const last = bars.at(-1);
    if (last) last.until = Math.max(last.from, at);
    if (last?.stage !== stage) bars.push({ stage, from: at, until: at });
  }
  const last = bars.at(-1);
  if (last) last.until = Math.max(last.until, attempt.ended_at ? Date.parse(attempt.ended_at) : end);
  return bars;
}

/** Distances of the axis' lines in seconds: four to nine of them over this many seconds. */
export function tickOf(span: number): number {
  const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21600, 43200, 86400];
  return steps.find((step) => span / step <= 8) ?? Math.ceil(span / 8 / 86400) * 86400;
}
