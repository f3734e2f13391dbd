import { notify } from "./notices";

interface Props {
  text: string;
  /** How many characters of it are shown. */
  short?: number;
  what?: string;
  /** Shown instead of it. */
  label?: string;
}

/** An identifier: shown short, copied in full. */
export function Copy({ text, short = text.length > 20 ? 8 : text.length, what = "ID", label }: Props) {
  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
      notify(`${what} copied`);
    } catch {
      notify(`Copying is not allowed here: ${text}`, true);
    }
  }
  const spoken = label ? undefined : `Copy ${what} ${text}`;
  return (
    <button
      type="button"
      class="copy"
      title={label ? undefined : `Copy ${what}: ${text}`}
      aria-label={spoken}
      onClick={copy}
    >
      {label ?? (short < text.length ? `${text.slice(0, short)}…` : text)}
    </button>
  );
}
