import { Suspense } from "preact/compat";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { ApiError, connection, signedIn } from "./api/client";
import { recall, session, signOut } from "./api/session";
import { KEYS, listen, PLACES } from "./keyboard";
import { usePlace } from "./router";
import { find } from "./routes";
import { useStore } from "./store";
import { type Theme, THEMES, theme } from "./theme";
import { Action } from "./ui/action";
import { Banner } from "./ui/banner";
import { Dialog } from "./ui/dialog";
import { Login } from "./ui/login";
import { Notices } from "./ui/notices";

/** Login first where the API asks for it; after that pages stay, whatever happens to the session. */
export function App() {
  const isIn = useStore(signedIn);
  const state = useStore(connection);
  const [wasIn, setWasIn] = useState(false);
  useEffect(() => {
    if (isIn) setWasIn(true);
  }, [isIn]);
  useEffect(() => {
    if (state === "up" && isIn === null) recall().catch((error) => error instanceof ApiError || Promise.reject(error));
  }, [state, isIn]);

  if (isIn === false && !wasIn) return <Login isAgain={false} />;
  if (isIn === null)
    return (
      <main class="login">
        <Banner />
        <p class="dim" aria-busy="true">
          Loading…
        </p>
      </main>
    );
  return (
    <>
      <Shell />
      {isIn === false && <Login isAgain />}
    </>
  );
}

function Shell() {
  const { path } = usePlace();
  const { Page, params } = find(path);
  const [isHelping, setHelping] = useState(false);
  const main = useRef<HTMLElement>(null);
  const isFirst = useRef(true);
  // Before the first paint: what is seen takes keys.
  useLayoutEffect(() => listen(() => setHelping(true)), []);
  // A new page takes the focus and starts at its top; a tab of the same page does not.
  const page = path.split("/").slice(0, 3).join("/");
  useEffect(() => {
    if (!isFirst.current) {
      main.current?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    isFirst.current = false;
  }, [page]);
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        Skip to the content
      </a>
      <Side path={path} help={() => setHelping(true)} />
      <main id="main" ref={main} tabIndex={-1}>
        <Banner />
        <Suspense
          fallback={
            <p class="empty" aria-busy="true">
              Loading…
            </p>
          }
        >
          <Page key={page} params={params} />
        </Suspense>
      </main>
      <Notices />
      {isHelping && <Help close={() => setHelping(false)} />}
    </>
  );
}

function Side({ path, help }: { path: string; help: () => void }) {
  const who = useStore(session);
  return (
    <nav class="side" aria-label="Main">
      <a class="brand" href="#/">
        <img src="./favicon.svg" alt="" />
        Skylift
      </a>
      {PLACES.map(([key, href, name]) => {
        const isHere = href === "#/" ? path === "/" : path.startsWith(href.slice(1));
        return (
          <a key={key} href={href} aria-current={isHere ? "page" : undefined} title={`g ${key}`}>
            {name}
          </a>
        );
      })}
      <div class="foot">
        <ThemeChoice />
        <button type="button" class="is-plain" onClick={help}>
          Keys <kbd>?</kbd>
        </button>
        {who?.auth === "key" && (
          <Action kind="plain" run={signOut} title={`Role: ${who.role}`}>
            Sign out
          </Action>
        )}
      </div>
    </nav>
  );
}

function ThemeChoice() {
  const current = useStore(theme);
  return (
    <label>
      <span class="hidden-label">Theme</span>
      <select value={current} onChange={(event) => theme.set(event.currentTarget.value as Theme)}>
        {THEMES.map((each) => (
          <option key={each} value={each}>
            {each}
          </option>
        ))}
      </select>
    </label>
  );
}

function Help({ close }: { close: () => void }) {
  return (
    <Dialog title="Keys" close={close}>
      <dl class="pairs">
        {[...PLACES.map(([key, , name]) => [`g ${key}`, name] as const), ...KEYS].map(([keys, what]) => (
          <>
            <dt>
              {keys.split(" ").map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </>
        ))}
      </dl>
    </Dialog>
  );
}
