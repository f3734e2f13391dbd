/** Routes in the fragment, so that any file server and any path can host the console: `#/runs?state=FAILED`. */
import { makeStore, useStore } from "./store";

export interface Place {
  path: string;
  query: URLSearchParams;
}

export function parse(fragment: string): Place {
  const text = fragment.replace(/^#/, "") || "/";
  const cut = text.indexOf("?");
  const path = cut < 0 ? text : text.slice(0, cut);
  return { path: path.startsWith("/") ? path : `/${path}`, query: new URLSearchParams(cut < 0 ? "" : text.slice(cut)) };
}

const place = makeStore(parse(location.hash));
addEventListener("hashchange", () => place.set(parse(location.hash)));

export const usePlace = () => useStore(place);

/** The link to a page; each part of the path is encoded, empty values of the query are left out. */
export function to(parts: TemplateStringsArray, ...values: string[]): string {
  return parts
    .reduce((text, part, number) => text + encodeURIComponent(values[number - 1] ?? "") + part, "")
    .replace(/^/, "#");
}

export function go(href: string, { replace = false } = {}): void {
  if (replace) {
    history.replaceState(null, "", href);
    place.set(parse(location.hash));
  } else {
    location.hash = href;
  }
}

/** One value of the query, and how to change it without leaving a step in the history. */
export function useQuery(name: string): [string, (value: string) => void] {
  const { query } = usePlace();
  const change = (value: string) => {
    const { path, query: current } = parse(location.hash);
    const next = new URLSearchParams(current);
    if (value) next.set(name, value);
    else next.delete(name);
    const text = next.toString();
    go(`#${path}${text && `?${text}`}`, { replace: true });
  };
  return [query.get(name) ?? "", change];
}

/** The values of a pattern's `:names` in a path, or null where it does not fit. */
export function match(pattern: string, path: string): Record<string, string> | null {
  const wanted = pattern.split("/");
  const given = path.replace(/(.)\/$/, "$1").split("/");
  if (wanted.length !== given.length) return null;
  const found: Record<string, string> = {};
  for (const [number, part] of wanted.entries()) {
    const value = given[number] as string;
    if (part.startsWith(":")) {
      try {
        found[part.slice(1)] = decodeURIComponent(value);
      } catch {
        return null;
      }
    } else if (part !== value) return null;
  }
  return found;
}
