import type { RunStory, Waiting } from "../api/types";
import { to } from "../router";
import { When } from "../ui/time";
import { saidBy, withoutIds, withoutRemedy } from "./words";

/** The first thing to know about a run: why it waits, or why it failed, and what to do. */
export function Why({ story }: { story: RunStory }) {
  const { waiting, why, provider_words, remedy } = story;
  if (waiting) {
    return (
      <div class="why is-warn" role="status">
        <strong>{withoutIds(waiting.message)}</strong>
        <Holders waiting={waiting} />
        <p class="dim">
          {waiting.until && (
            <>
              That ends by itself <When at={waiting.until} />.{" "}
            </>
          )}
          {waiting.ahead ? `${waiting.ahead} due ${waiting.ahead === 1 ? "run goes" : "runs go"} first.` : ""}
        </p>
        {provider_words && (
          <p>
            The provider said: <code>{saidBy(provider_words)}</code>
          </p>
        )}
        {remedy && <p>What to do: {remedy}</p>}
      </div>
    );
  }
  if (!why && !provider_words && !remedy) return null;
  return (
    <div class={why ? "why is-bad" : "why is-run"} role="status">
      {why && <strong>{withoutRemedy(why, remedy)}</strong>}
      {provider_words && !why?.includes(saidBy(provider_words)) && (
        <p>
          The provider said: <code>{saidBy(provider_words)}</code>
        </p>
      )}
      {remedy && <p>What to do: {remedy}</p>}
    </div>
  );
}

/** Who is in the way, each with a link. */
export function Holders({ waiting }: { waiting: Waiting }) {
  if (!waiting.holders.length) return null;
  return (
    <p>
      Held by{" "}
      {waiting.holders.map((holder, number) => (
        <span key={holder.flow_run_id}>
          {number > 0 && ", "}
          <a href={to`/runs/${holder.flow_run_id}`}>{holder.flow_run_name ?? "a run that was deleted"}</a>
          <span class="dim">
            {" "}
            (since <When at={holder.since} />
            {holder.stopping && `, stopping: ${holder.stopping}`})
          </span>
        </span>
      ))}
    </p>
  );
}
