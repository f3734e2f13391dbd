import type { OccupiedSlot, PoolView } from "../api/types";
import { to } from "../router";
import { Copy } from "../ui/copy";
import { Section } from "../ui/page";
import { When } from "../ui/time";

/** More free slots than this are counted, not drawn. */
const MOST_FREE = 24;

/** Who holds the pool's slots, and how many are free. */
export function Slots({ view }: { view: PoolView["slots"] }) {
  const free = view.concurrency_limit === null ? null : Math.max(0, view.concurrency_limit - view.occupied);
  const note =
    free === null ? `${view.occupied} held, without a limit` : `${view.occupied} of ${view.concurrency_limit} held, ${free} free`;
  return (
    <Section title="Slots and who holds them" note={note}>
      {view.occupied === 0 && free === null && <p class="empty">Nobody holds a slot.</p>}
      <ul class="slots">
        {view.slots.map((slot) => <Slot key={slot.attempt_id ?? slot.flow_run_id} slot={slot} />)}
        {Array.from({ length: Math.min(free ?? 0, MOST_FREE) }, (_, number) => <li key={number} class="slot is-free">free</li>)}
      </ul>
      {free !== null && free > MOST_FREE && <p class="dim">and {free - MOST_FREE} more that are free</p>}
      {view.occupied > view.slots.length && <p class="dim">and {view.occupied - view.slots.length} more that are held</p>}
    </Section>
  );
}

function Slot({ slot }: { slot: OccupiedSlot }) {
  const name = slot.flow_run_name ?? "a run that was deleted";
  const [link] = Object.entries(slot.links);
  return (
    <li class={`slot ${slot.stopping ? "is-warn" : slot.phase === "admitted" || slot.state_type === "RUNNING" ? "" : "is-wait"}`}>
      <a href={to`/runs/${slot.flow_run_id}`} title={name}>{name}</a>
      <span title={slot.stopping ?? undefined}>
        <span class={slot.stopping ? "warn" : "run"}>{standing(slot)}</span>{" "}
        <span class="dim"><When at={slot.since} /></span>
      </span>
      <span class="dim">{[slot.deployment?.name, slot.work_queue_name].filter(Boolean).join(" · ")}</span>
      {slot.handle && (
        <span>
          <Copy text={slot.handle} short={22} what="the provider's ID" />
          {link && <a href={link[1]} target="_blank" rel="noreferrer">{link[0]} ↗</a>}
        </span>
      )}
    </li>
  );
}

const PHASES: Record<string, string> = {
  claimed: "has its slot",
  launching: "is being launched",
  launched: "starts at the provider",
  admitted: "runs",
};

function standing({ stopping, stop, phase, state_name }: OccupiedSlot): string {
  if (stopping !== null) return stop === "gave-up" ? "given up, stopping" : "stopping";
  return (phase && PHASES[phase]) ?? state_name ?? "held";
}
