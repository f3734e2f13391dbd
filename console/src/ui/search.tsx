import { useEffect, useState } from "preact/hooks";

const PAUSE = 250;

/** A search field that `/` leads to; it tells what stands in it after a short pause. */
export function Search({ label, value, change }: { label: string; value: string; change: (text: string) => void }) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(() => change(text), PAUSE);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <label>
      <span class="hidden-label">{label}</span>
      <input
        type="search"
        data-search
        placeholder={`${label}  /`}
        size={30}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
    </label>
  );
}
