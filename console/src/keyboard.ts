/** Keys that work everywhere, except while something is typed. */
import { go } from "./router";

export const PLACES: [string, string, string][] = [
  ["o", "#/", "Overview"],
  ["r", "#/runs", "Runs"],
  ["p", "#/pools", "Work pools"],
  ["d", "#/deployments", "Deployments"],
  ["w", "#/webhooks", "Webhooks"],
  ["b", "#/blocks", "Blocks and variables"],
];

export const KEYS: [string, string][] = [
  ["/", "search on this page"],
  ["j k", "next, previous row"],
  ["Enter", "open the row"],
  ["n", "make a new one: a pool, a run of this deployment"],
  ["c", "cancel this run"],
  ["y", "retry this run"],
  ["e", "edit this pool"],
  ["?", "this help"],
  ["Esc", "close, or leave a field"],
];

const PATIENCE = 1_200;

/** `help` opens the list of keys. Returns how to stop listening. */
export function listen(help: () => void): () => void {
  let waitsSince = -Infinity;
  function press(event: KeyboardEvent) {
    const target = event.target as HTMLElement;
    if (event.key === "Escape" && isField(target)) {
      target.blur();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || isField(target) || document.querySelector("dialog[open]"))
      return;
    if (event.timeStamp - waitsSince < PATIENCE) {
      waitsSince = -Infinity;
      const place = PLACES.find(([key]) => key === event.key);
      if (place) {
        event.preventDefault();
        go(place[1]);
        return;
      }
    }
    if (event.key === "g") waitsSince = event.timeStamp;
    else if (event.key === "?") help();
    else if (event.key === "/") focusOn("[data-search]", event);
    else if (event.key === "j") step(1, event);
    else if (event.key === "k") step(-1, event);
    else if (/^[a-z]$/.test(event.key)) {
      const button = document.querySelector<HTMLElement>(`[data-shortcut="${event.key}"]`);
      if (button) {
        event.preventDefault();
        button.click();
      }
    }
  }
  addEventListener("keydown", press);
  return () => removeEventListener("keydown", press);
}

const isField = (element: HTMLElement): boolean =>
  element.matches?.("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]") ?? false;

function focusOn(selector: string, event: Event): void {
  const found = document.querySelector<HTMLInputElement>(selector);
  if (!found) return;
  event.preventDefault();
  found.focus();
  found.select?.();
}

function step(by: number, event: Event): void {
  const rows = [...document.querySelectorAll<HTMLElement>("tbody tr")].filter((row) => row.querySelector("a"));
  if (!rows.length) return;
  event.preventDefault();
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const next = at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + by));
  rows[next]?.querySelector("a")?.focus();
}
