import { pretty } from "../form/json-text";
import { Copy } from "./copy";
import { masked } from "./masked";

/** An object as text; what sounds like a secret is masked. */
export function Json({ value, empty }: { value: unknown; empty: string }) {
  const isEmpty =
    value === null || value === undefined || (typeof value === "object" && Object.keys(value).length === 0);
  if (isEmpty) return <p class="empty">{empty}</p>;
  const text = pretty(masked(value));
  return (
    <>
      <div class="tools">
        <Copy text={text} what="JSON" label="Copy as JSON" />
      </div>
      <pre class="json" tabIndex={0}>
        {text}
      </pre>
    </>
  );
}
