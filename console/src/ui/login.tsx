import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../api/client";
import { signIn } from "../api/session";

/** Asks for an API key. Over a page that is open it is a window, so that what was typed there stays. */
export function Login({ isAgain }: { isAgain: boolean }) {
  const [key, setKey] = useState("");
  const [fault, setFault] = useState("");
  const [isBusy, setBusy] = useState(false);
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => box.current?.showModal(), []);

  async function submit(event: Event) {
    event.preventDefault();
    if (isBusy) return;
    setBusy(true);
    setFault("");
    try {
      await signIn(key.trim());
    } catch (error) {
      const isWrong = error instanceof ApiError && (error.status === 401 || error.status === 422);
      setFault(
        isWrong ? "This API key is not valid, or was revoked" : error instanceof Error ? error.message : String(error),
      );
    }
    setBusy(false);
  }

  const form = (
    <form onSubmit={submit}>
      <h1>{isAgain ? "Your session has ended" : "Skylift"}</h1>
      <p class="dim">
        {isAgain ? "Sign in again to go on; what you typed is still there." : "Sign in with an API key. "}
        {!isAgain && (
          <>
            An admin makes one with <code>skylift api-key create NAME</code>.
          </>
        )}
      </p>
      <div class="field">
        <label for="api-key">API key</label>
        <input
          id="api-key"
          type="password"
          autocomplete="current-password"
          required
          autofocus
          value={key}
          aria-invalid={fault !== ""}
          aria-describedby="api-key-fault"
          onInput={(event) => setKey(event.currentTarget.value)}
        />
        <p class="fault" id="api-key-fault" role="alert">
          {fault}
        </p>
      </div>
      <div class="buttons">
        <button type="submit" class="is-main" aria-disabled={isBusy || undefined}>
          Sign in
        </button>
      </div>
    </form>
  );
  if (!isAgain) return <main class="login">{form}</main>;
  return (
    <dialog ref={box} aria-label="Sign in" onCancel={(event) => event.preventDefault()}>
      {form}
    </dialog>
  );
}
