import { useId } from "preact/hooks";
import { flawOf } from "./json-text";

interface Props {
  label: string;
  text: string;
  change: (text: string) => void;
  rows?: number;
}

/** JSON as text; where it breaks is told with line and column, and a click goes there. */
export function JsonEditor({ label, text, change, rows = 24 }: Props) {
  const id = useId();
  const flaw = flawOf(text);
  function show() {
    const box = document.getElementById(id) as HTMLTextAreaElement;
    const lines = text.split("\n");
    const at =
      lines.slice(0, (flaw?.line ?? 1) - 1).join("\n").length + (flaw?.column ?? 1) - (flaw?.line === 1 ? 1 : 0);
    box.focus();
    box.setSelectionRange(at, at + 1);
  }
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea
        id={id}
        rows={rows}
        value={text}
        spellcheck={false}
        aria-invalid={flaw !== null}
        aria-describedby={`${id}-flaw`}
        onInput={(event) => change(event.currentTarget.value)}
      />
      <p id={`${id}-flaw`} role="status">
        {flaw && (
          <button type="button" class="is-plain" onClick={show}>
            <span class="fault">
              Line {flaw.line}, column {flaw.column}: {flaw.message}
            </span>
          </button>
        )}
      </p>
    </div>
  );
}
