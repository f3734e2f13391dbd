import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import type { Read } from "../api/use-read";
import { sentence } from "./action";

interface HeadProps {
  title: string;
  /** Before the title, in a lighter tone: what it belongs to. */
  of?: ComponentChildren;
  state?: ComponentChildren;
  actions?: ComponentChildren;
  children?: ComponentChildren;
}

export function Head({ title, of, state, actions, children }: HeadProps) {
  useEffect(() => {
    document.title = `${title} · Skylift`;
  }, [title]);
  return (
    <>
      <div class="head">
        <h1>
          {of && <span class="dim">{of} / </span>}
          {title}
        </h1>
        {state}
        {actions && <div class="actions">{actions}</div>}
      </div>
      {children && <div class="facts">{children}</div>}
    </>
  );
}

interface SectionProps {
  title: string;
  note?: ComponentChildren;
  actions?: ComponentChildren;
  children: ComponentChildren;
}

export function Section({ title, note, actions, children }: SectionProps) {
  return (
    <section aria-label={title}>
      <header>
        <h2>{title}</h2>
        {note && <span class="dim">{note}</span>}
        {actions && <div class="actions">{actions}</div>}
      </header>
      {children}
    </section>
  );
}

/** A part that needs an answer: a line while it is on its way, the reason where it does not come. */
export function Loaded<T>({ read, children }: { read: Read<T>; children: (data: T) => ComponentChildren }) {
  if (read.data !== undefined) return <>{children(read.data)}</>;
  if (read.error) {
    return (
      <p class="empty" role="alert">
        <span class="fault">{sentence(read.error)}</span>
      </p>
    );
  }
  return (
    <p class="empty" aria-busy="true">
      Loading…
    </p>
  );
}

export function Tabs({ label, items, current }: { label: string; items: [string, string][]; current: string }) {
  return (
    <nav class="tabs" aria-label={label}>
      {items.map(([name, href]) => (
        <a key={name} href={href} aria-current={name === current ? "page" : undefined}>
          {name}
        </a>
      ))}
    </nav>
  );
}
