/** The API's shapes under the names that the pages use. */
import type { Schemas } from "./client";

export type Overview = Schemas["Overview"];
export type PoolStanding = Schemas["PoolStanding"];
export type PoolView = Schemas["PoolView"];
export type OccupiedSlot = Schemas["OccupiedSlot"];
export type QueueView = Schemas["QueueView"];
export type Waiting = Schemas["Waiting"];
export type InfrastructureView = Schemas["InfrastructureView"];
export type RunRow = Schemas["RunRow"];
export type RunRows = Schemas["RunRows"];
export type RunStory = Schemas["RunStory"];
export type AttemptStory = Schemas["AttemptStory"];
export type LogLine = Schemas["LogLine"];
export type LogPage = Schemas["LogPage"];
export type DeploymentRows = Schemas["DeploymentRows"];
export type DeploymentView = Schemas["DeploymentView"];
export type LedgerView = Schemas["LedgerView"];
export type BlockRows = Schemas["BlockRows"];
export type VariableRows = Schemas["VariableRows"];
export type Preview = Schemas["TemplatePreview"];

const OVER = new Set(["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]);
export const isOver = (run: { state_type: string }): boolean => OVER.has(run.state_type);

/** Whether something happens soon by itself: it is worth to look again. */
export function isUnderWay(run: { state_type: string; expected_start_time: string }): boolean {
  if (isOver(run) || run.state_type === "PAUSED") return false;
  return run.state_type !== "SCHEDULED" || Date.parse(run.expected_start_time) < Date.now() + 60_000;
}
