import type { PoolView } from "../api/types";
import { Meter } from "../ui/meter";
import { Section } from "../ui/page";
import { When } from "../ui/time";

/** The provider's limit on launches, as far as it is used. */
export function Quota({ quota }: { quota: PoolView["quota"] }) {
  const { rate, burst, left, next_at, shared_with, throttled_last_hour } = quota;
  if (rate === null || burst === null || left === null) {
    return (
      <Section title="Provider's quota">
        <p class="empty">No limit on launches is known: the provider has none, or nothing was launched yet.</p>
      </Section>
    );
  }
  return (
    <Section title="Provider's quota" note={`${rate} launches a second, ${burst} at once`}>
      <p>
        <Meter used={burst - left} limit={burst} what="launches used" /> used
        {next_at && (
          <>
            ; the next is allowed <When at={next_at} />
          </>
        )}
        {shared_with.length > 0 && <>; shared with {shared_with.join(", ")}</>}
        {"; "}
        <span class={throttled_last_hour ? "warn" : "dim"}>
          {throttled_last_hour} refused as too many in the last hour
        </span>
      </p>
    </Section>
  );
}
