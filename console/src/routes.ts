import type { ComponentType } from "preact";
import { lazy } from "preact/compat";
import { Deployment } from "./pages/deployment";
import { Deployments } from "./pages/deployments";
import { Missing } from "./pages/missing";
import { Overview } from "./pages/overview";
import { Pool } from "./pages/pool";
import { Pools } from "./pages/pools";
import { Run } from "./pages/run";
import { Runs } from "./pages/runs";
import { match } from "./router";

export type Params = Record<string, string>;
// What has forms comes when it is asked for: the validator and the fields are half of the whole.
const NewPool = lazy(() => import("./pages/new-pool"));
const EditPool = lazy(() => import("./pages/edit-pool"));
const NewRun = lazy(() => import("./pages/new-run"));
const Webhooks = lazy(() => import("./pages/webhooks"));
const Webhook = lazy(() => import("./pages/webhook"));
const Stored = lazy(() => import("./pages/stored"));

const ROUTES: [string, ComponentType<{ params: Params }>][] = [
  ["/", Overview],
  ["/pools", Pools],
  ["/pools/new", NewPool],
  ["/pools/:name", Pool],
  ["/pools/:name/edit", EditPool],
  ["/pools/:name/:tab", Pool],
  ["/runs", Runs],
  ["/runs/:id", Run],
  ["/runs/:id/:tab", Run],
  ["/deployments", Deployments],
  ["/deployments/:id", Deployment],
  ["/deployments/:id/run", NewRun],
  ["/deployments/:id/:tab", Deployment],
  ["/webhooks", Webhooks],
  ["/webhooks/:name", Webhook],
  ["/blocks", Stored],
];

export interface Found {
  Page: ComponentType<{ params: Params }>;
  params: Params;
}

export function find(path: string): Found {
  for (const [pattern, Page] of ROUTES) {
    const params = match(pattern, path);
    if (params) return { Page, params };
  }
  return { Page: Missing, params: { path } };
}
