/** Requests to the API: typed by its OpenAPI document, with a timeout, and with refusals as sentences. */
import { makeStore } from "../store";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];
type Verb = "get" | "post" | "put" | "patch" | "delete";
type Body<O> = O extends { requestBody?: { content: { "application/json": infer B } } } ? B : undefined;
type Answer<O> = O extends { responses: infer R }
  ? { [S in keyof R]: S extends 200 | 201 | 202 ? R[S] : never }[keyof R] extends infer Good
    ? Good extends { content: { "application/json": infer T } }
      ? T
      : void
    : void
  : void;
export type Path<V extends Verb> = {
  [P in keyof paths]: paths[P][V] extends object ? P : never;
}[keyof paths];
export type Got<P extends Path<"get">> = Answer<paths[P]["get"]>;

export const TIMEOUT = 20_000;
const base = document.querySelector<HTMLMetaElement>('meta[name="skylift-api"]')?.content ?? "/api";
export const apiUrl = new URL(base, location.href);
export const isSameOrigin = apiUrl.origin === location.origin;

/** Whether the API answers, and whether it knows us. */
export const connection = makeStore<"up" | "down">("up");
export const signedIn = makeStore<boolean | null>(null);

let bearer: string | null = null;
/** On another origin a session's cookie does not reach the API: the key is kept in memory, and gone with the page. */
export function keepKey(key: string | null): void {
  bearer = key;
}

export interface Fault {
  path: string[];
  message: string;
}

/** The API said no, or nothing. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly remedy: string | null = null,
    readonly faults: Fault[] = [],
  ) {
    super(message);
  }
}

interface Refusal {
  detail?: string;
  remedy?: string;
  exception_message?: string;
  exception_detail?: { loc: (string | number)[]; msg: string }[];
}

export function address(
  path: string,
  params: Record<string, string> = {},
  query: Record<string, unknown> = {},
): string {
  const filled = path
    .replace(/^\/api/, "")
    .replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ""));
  const given = Object.entries(query).flatMap(([name, value]) => [value].flat().map((each) => [name, each] as const));
  const told = given.filter(([, value]) => value !== undefined && value !== "" && value !== null);
  const text = new URLSearchParams(told.map(([name, value]) => [name, String(value)])).toString();
  return `${apiUrl.href.replace(/\/$/, "")}${filled}${text && `?${text}`}`;
}

export async function send(verb: Verb, url: string, body?: unknown, signal?: AbortSignal): Promise<unknown> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (bearer) headers.Authorization = `Bearer ${bearer}`;
  if (verb !== "get") headers["X-Skylift-Console"] = "1";
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(url, {
    method: verb.toUpperCase(),
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    credentials: isSameOrigin ? "same-origin" : "omit",
    signal: AbortSignal.any([AbortSignal.timeout(TIMEOUT), ...(signal ? [signal] : [])]),
  }).catch((error: unknown) => {
    if (signal?.aborted) throw error;
    connection.set("down");
    throw new ApiError(0, "The API does not answer");
  });
  connection.set(answer.status === 502 || answer.status === 503 || answer.status === 504 ? "down" : "up");
  const text = await answer.text();
  if (answer.ok) return text ? JSON.parse(text) : undefined;
  if (answer.status === 401) signedIn.set(false);
  throw refused(answer.status, text);
}

function refused(status: number, text: string): ApiError {
  let said: Refusal = {};
  try {
    said = JSON.parse(text) as Refusal;
  } catch {
    // not ours: a proxy's page
  }
  const faults = (said.exception_detail ?? []).map(({ loc, msg }) => ({ path: loc.map(String), message: msg }));
  return new ApiError(
    status,
    said.detail ?? said.exception_message ?? `The API answered ${status}`,
    said.remedy ?? null,
    faults,
  );
}

type Options<B> = {
  params?: Record<string, string>;
  query?: Record<string, unknown>;
  signal?: AbortSignal;
} & (undefined extends B ? { body?: B } : { body: B });

function verb<V extends Verb>(name: V) {
  return <P extends Path<V>>(path: P, options: Options<Body<paths[P][V]>>) =>
    send(name, address(path, options.params, options.query), options.body, options.signal) as Promise<
      Answer<paths[P][V]>
    >;
}

export const api = {
  get: verb("get"),
  post: verb("post"),
  put: verb("put"),
  patch: verb("patch"),
  delete: verb("delete"),
};
