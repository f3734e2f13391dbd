import { useState } from "preact/hooks";
import { ApiError } from "../api/client";
import { notify } from "./notices";

export function sentence(error: unknown): string {
  if (!(error instanceof ApiError)) return String(error);
  const faults = error.faults.map(
    ({ path, message }) => `${path.filter((part) => part !== "body").join(".")}: ${message}`,
  );
  return [error.faults.length ? faults.join("; ") : error.message, error.remedy].filter(Boolean).join(". ");
}

interface Props {
  /** What it does; a sentence that it answers with is shown. */
  run: () => Promise<string | void>;
  children: preact.ComponentChildren;
  kind?: "main" | "risky" | "plain";
  disabled?: boolean;
  title?: string;
  shortcut?: string;
}

/** A button for a change: it cannot be pressed twice, and says what went wrong. */
export function Action({ run, children, kind, disabled, title, shortcut }: Props) {
  const [isBusy, setBusy] = useState(false);
  async function press() {
    if (isBusy) return;
    setBusy(true);
    try {
      const said = await run();
      if (said) notify(said);
    } catch (error) {
      notify(sentence(error), true);
    } finally {
      setBusy(false);
    }
  }
  return (
    <button
      type="button"
      class={kind && `is-${kind}`}
      disabled={disabled}
      aria-disabled={isBusy || undefined}
      aria-keyshortcuts={shortcut}
      data-shortcut={shortcut}
      title={title}
      onClick={press}
    >
      {children}
    </button>
  );
}
