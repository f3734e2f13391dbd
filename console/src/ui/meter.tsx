/** How much of a limit is taken, in words and as a bar. */
export function Meter({ used, limit, what }: { used: number; limit: number | null; what: string }) {
  if (limit === null) return <>{used}, no limit</>;
  const share = limit === 0 ? 1 : Math.min(1, used / limit);
  return (
    <>
      <svg
        class="meter"
        viewBox="0 0 120 8"
        preserveAspectRatio="none"
        role="img"
        aria-label={`${used} of ${limit} ${what}`}
      >
        <rect class="track" width="120" height="8" rx="2" />
        <rect class={share >= 1 ? "fill is-full" : "fill"} width={120 * share} height="8" rx="2" />
      </svg>{" "}
      {used} / {limit}
    </>
  );
}
