import type { OccupiedSlot, PoolView } from "../api/types";
import { to } from "../router";
import { Copy } from "../ui/copy";
import { Section } from "../ui/page";
import { Took } from "../ui/time";

/** More free slots than this are counted, not drawn. */
const MOST_FREE = 24;

/** Who holds the pool's slots, and how many are free. */
export function Slots({ view }: { view: PoolView["slots"] }) {
  const free = view.concurrency_limit === null ? null : Math.max(0, view.concurrency_limit - view.occupied);
  const note =
    free === null
      ? `${view.occupied} held, without a limit`
      : `${view.occupied} of ${view.concurrency_limit} held, ${free} free`;
  return (
    <Section title="Slots and who holds them" note={note}>
      {view.occupied === 0 && free === null && <p class="empty">Nobody holds a slot.</p>}
      <ul class="slots">
        {view.slots.map((slot) => (
          <Slot key={slot.attempt_id ?? slot.flow_run_id} slot={slot} />
        ))}
        {Array.from({ length: Math.min(free ?? 0, MOST_FREE) }, (_, number) => (
          <li key={number} class="slot is-free">
            free
          </li>
        ))}
      </ul>
      {free !== null && free > MOST_FREE && <p class="dim">and {free - MOST_FREE} more that are free</p>}
      {view.occupied > view.slots.length && (
        <p class="dim">and {view.occupied - view.slots.length} more that are held</p>
      )}
    </Section>
  );
}

function Slot({ slot }: { slot: OccupiedSlot }) {
  const name = slot.flow_run_name ?? "a run that was deleted";
  const [link] = Object.entries(slot.links);
  return (
    <li class={`slot ${slot.stopping ? "is-warn" : isRunning(slot) ? "" : "is-wait"}`}>
      <a href={to`/runs/${slot.flow_run_id}`} title={name}>
        {name}
      </a>
      <span title={slot.stopping ?? undefined}>
        <span class={slot.stopping || !isRunning(slot) ? "warn" : "run"}>{standing(slot)}</span>{" "}
        <span class="dim">
          · <Took from={slot.since} until={null} />
        </span>
      </span>
      <span class="dim">{[slot.deployment?.name, slot.work_queue_name].filter(Boolean).join(" · ")}</span>
      {slot.handle && (
        <span>
          <Copy text={slot.handle} short={22} what="the provider's ID" />
          {link && (
            <a href={link[1]} target="_blank" rel="noreferrer">
              {link[0]} ↗
            </a>
          )}
        </span>
      )}
    </li>
  );
}

const PHASES: Record<string, string> = {
  claimed: "has its slot",
  launching: "is being launched",
  launched: "starts at the provider",
};

const isRunning = ({ phase, provider_phase, state_type }: OccupiedSlot): boolean =>
  phase === "admitted" || provider_phase === "running" || (phase === null && state_type === "RUNNING");

function standing(slot: OccupiedSlot): string {
  const { stopping, stop, phase, state_name } = slot;
  if (isRunning(slot) && stopping === null) return "runs";
  if (stopping !== null) return stop === "gave-up" ? "given up, stopping" : "stopping";
  return (phase && PHASES[phase]) ?? state_name ?? "held";
}
