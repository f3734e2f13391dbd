import { makeStore, useStore } from "../store";

interface Notice {
  text: string;
  isBad: boolean;
}

const notice = makeStore<Notice | null>(null);
const LASTS = 6_000;
let timer = 0;

/** Say something briefly, also to screen readers. What went wrong stays until it is dismissed. */
export function notify(text: string, isBad = false): void {
  clearTimeout(timer);
  notice.set({ text, isBad });
  if (!isBad) timer = setTimeout(() => notice.set(null), LASTS);
}

export function Notices() {
  const current = useStore(notice);
  return (
    <div class="notices" role="status" aria-live="polite">
      {current && (
        <div class={current.isBad ? "notice is-bad" : "notice"}>
          <span>{current.text}</span>
          <button type="button" class="is-plain" onClick={() => notice.set(null)}>
            Dismiss
          </button>
        </div>
      )}
    </div>
  );
}
