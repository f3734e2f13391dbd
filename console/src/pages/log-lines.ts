/** The lines of a run's log as they are shown. Pure. */
import type { LogLine } from "../api/types";

export const LEVELS: [number, string][] = [
  [0, "all levels"],
  [20, "INFO and above"],
  [30, "WARNING and above"],
  [40, "ERROR and above"],
];

export interface Row {
  at: number;
  level: number;
  text: string;
  /** Whether it goes on from the row before: no time stands before it. */
  isMore: boolean;
}

/** A message of several lines is several rows, so that all rows are of one height. */
export function rowsOf(line: LogLine): Row[] {
  const at = Date.parse(line.timestamp);
  return line.message.split(/\r\n|\r|\n/).map((text, number) => ({ at, level: line.level, text, isMore: number > 0 }));
}

export function atLevel(rows: Row[], level: number): Row[] {
  return level ? rows.filter((row) => row.level >= level) : rows;
}

/** The numbers of the rows that hold the text, whatever its case. */
export function hitsOf(rows: Row[], text: string): number[] {
  const wanted = text.toLowerCase();
  const found: number[] = [];
  if (wanted) rows.forEach((row, number) => row.text.toLowerCase().includes(wanted) && found.push(number));
  return found;
}

/** Which rows are in view, and a few around them. */
export function inView(
  count: number,
  scrollTop: number,
  height: number,
  rowHeight: number,
  around = 12,
): [number, number] {
  const first = Math.max(0, Math.floor(scrollTop / rowHeight) - around);
  return [first, Math.min(count, Math.ceil((scrollTop + height) / rowHeight) + around)];
}
