import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

interface Props {
  title: string;
  close: () => void;
  /** What can be done, beside closing it. */
  actions?: ComponentChildren;
  /** What the button says that closes it. */
  leave?: string;
  children: ComponentChildren;
}

/** A modal window; Escape closes it, and the focus goes back where it was. */
export function Dialog({ title, close, actions, leave = "Close", children }: Props) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    box.current?.showModal();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog ref={box} aria-label={title} onClose={close}>
      <div class="stack">
        <h2>{title}</h2>
        {children}
        <div class="buttons">
          {actions}
          <button type="button" onClick={close}>
            {leave}
          </button>
        </div>
      </div>
    </dialog>
  );
}
