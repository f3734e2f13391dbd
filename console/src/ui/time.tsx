import { makeStore, useStore } from "../store";
import { lasting, local, relative } from "./times";

/** Moves while the tab is visible, so that "12 s ago" stays true; no request is made for it. */
export const now = makeStore(Date.now());
setInterval(() => document.visibilityState === "visible" && now.set(Date.now()), 1_000);

/** A moment, as far away as it is now; its tooltip has the time itself. */
export function When({ at, none = "–" }: { at: string | null | undefined; none?: string }) {
  const current = useStore(now);
  if (!at) return <span class="dim">{none}</span>;
  const then = Date.parse(at);
  return (
    <time dateTime={at} title={`${local(then, current)} (${new Date(then).toISOString()})`}>
      {relative(then, current)}
    </time>
  );
}

/** A moment by the clock. */
export function At({ at }: { at: string | null | undefined }) {
  if (!at) return <span class="dim">–</span>;
  return (
    <time dateTime={at} title={new Date(at).toISOString()}>
      {local(Date.parse(at), now.get())}
    </time>
  );
}

/** How long something took, or takes so far. */
export function Took({ from, until }: { from: string | null | undefined; until: string | null | undefined }) {
  const current = useStore(now);
  if (!from) return <span class="dim">–</span>;
  return <>{lasting(((until ? Date.parse(until) : Math.max(current, Date.parse(from))) - Date.parse(from)) / 1000)}</>;
}
