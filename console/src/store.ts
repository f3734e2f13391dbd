import { useEffect, useState } from "preact/hooks";

/** A value that components watch. */
export interface Store<T> {
  get(): T;
  set(value: T): void;
  watch(tell: (value: T) => void): () => void;
}

export function makeStore<T>(initial: T): Store<T> {
  let value = initial;
  const watchers = new Set<(value: T) => void>();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const tell of [...watchers]) tell(next);
    },
    watch(tell) {
      watchers.add(tell);
      return () => watchers.delete(tell);
    },
  };
}

export function useStore<T>(store: Store<T>): T {
  const [value, setValue] = useState(() => store.get());
  useEffect(() => {
    setValue(() => store.get()); // it may have changed between the first render and now
    return store.watch((next) => setValue(() => next));
  }, [store]);
  return value;
}
