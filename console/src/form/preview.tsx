import { useEffect, useState } from "preact/hooks";
import { ApiError, type Schemas } from "../api/client";
import { sentence } from "../ui/action";
import { Json } from "../ui/json";
import type { Template } from "./template";

export type RunPreview = (template: Template) => Promise<Schemas["TemplatePreview"]>;

/** What the provider would get for a run that sets nothing itself. */
export function Preview({ template, run }: { template: Template | null; run: RunPreview }) {
  const [answer, setAnswer] = useState<Schemas["TemplatePreview"]>();
  const [fault, setFault] = useState("");
  useEffect(() => {
    if (!template) return;
    let isCurrent = true;
    run(template).then(
      (found) => isCurrent && (setAnswer(found), setFault("")),
      (error: unknown) => isCurrent && setFault(error instanceof ApiError ? sentence(error) : String(error)),
    );
    return () => {
      isCurrent = false;
    };
  }, [template]);
  if (!template) return <p class="empty">The template is not in order, so nothing can be made of it.</p>;
  if (fault)
    return (
      <p class="empty fault" role="alert">
        {fault}
      </p>
    );
  if (!answer)
    return (
      <p class="empty" aria-busy="true">
        Rendering…
      </p>
    );
  return (
    <>
      <p class="dim intro">The rendered job configuration of a run that sets nothing itself; secrets are masked.</p>
      {answer.errors.map(({ path, message }) => (
        <p key={path} class="fault">
          <code>{path}</code> {message}
        </p>
      ))}
      {answer.configuration && <Json value={answer.configuration} empty="It renders to nothing." />}
    </>
  );
}
