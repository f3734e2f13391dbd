import { api, isSameOrigin, keepKey, type Schemas, signedIn } from "./client";
import { makeStore } from "../store";

export const session = makeStore<Schemas["SessionView"] | null>(null);

/** Who we are, if the API knows. Raises `ApiError` where it says no, or nothing. */
export async function recall(): Promise<void> {
  session.set(await api.get("/api/skylift/session", {}));
  signedIn.set(true);
}

export async function signIn(key: string): Promise<void> {
  if (isSameOrigin) {
    session.set(await api.post("/api/skylift/session", { body: { api_key: key } }));
    signedIn.set(true);
    return;
  }
  keepKey(key);
  try {
    await recall();
  } catch (error) {
    keepKey(null);
    throw error;
  }
}

export async function signOut(): Promise<void> {
  if (isSameOrigin) await api.delete("/api/skylift/session", {});
  keepKey(null);
  location.reload(); // nothing that was shown stays in memory
}
