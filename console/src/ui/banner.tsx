import { useEffect } from "preact/hooks";
import { address, connection } from "../api/client";
import { useStore } from "../store";

const EVERY = 3_000;
const PATIENCE = 5_000;

/** While the API is away: says so, looks for it, and lets the page go on where it was. */
export function Banner() {
  const state = useStore(connection);
  useEffect(() => {
    if (state === "up") return;
    const timer = setInterval(async () => {
      if (document.visibilityState !== "visible") return;
      const answer = await fetch(address("/health"), { signal: AbortSignal.timeout(PATIENCE) }).catch(() => null);
      if (answer?.ok) connection.set("up");
    }, EVERY);
    return () => clearInterval(timer);
  }, [state]);
  if (state === "up") return null;
  return (
    <div class="banner" role="alert">
      The API does not answer. What you see may be old; what you type is kept. Trying again…
    </div>
  );
}
