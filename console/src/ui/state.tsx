/** States by colour, shape and word. */
export type Tone = "ok" | "bad" | "warn" | "run" | "wait";

const TONES: Record<string, Tone> = {
  SCHEDULED: "wait",
  PENDING: "warn",
  RUNNING: "run",
  COMPLETED: "ok",
  FAILED: "bad",
  CANCELLED: "wait",
  CRASHED: "bad",
  PAUSED: "warn",
  CANCELLING: "warn",
};

export function toneOf(type: string, name = ""): Tone {
  return name === "Late" || name === "AwaitingRetry" ? "warn" : (TONES[type] ?? "wait");
}

export function Mark({ tone, children }: { tone: Tone; children: preact.ComponentChildren }) {
  return <span class={`state is-${tone}`}>{children}</span>;
}

/** Of a run. `AwaitingRetry` reads as two words. */
export function RunState({ type, name }: { type: string; name: string }) {
  const words = name.replace(/([a-z])([A-Z])/g, (_, end: string, start: string) => `${end} ${start.toLowerCase()}`);
  return <Mark tone={toneOf(type, name)}>{words}</Mark>;
}

const POOL: Record<string, [Tone, string]> = {
  READY: ["ok", "Ready"],
  NOT_READY: ["wait", "Not ready"],
  PAUSED: ["warn", "Paused"],
};

/** Of a pool or a queue. */
export function PoolState({ status }: { status: string }) {
  const [tone, word] = POOL[status] ?? ["wait", status];
  return <Mark tone={tone}>{word}</Mark>;
}
