/** Times for people: how long something took, how long ago it was. Pure, in milliseconds since the epoch. */
const UNITS: [number, string][] = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "m"],
  [1, "s"],
];

/** `412 ms`, `8.3 s`, `4 m 05 s`, `2 h 10 m`, `3 d 4 h`. */
export function lasting(seconds: number): string {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 0) return `-${lasting(-seconds)}`;
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.floor(seconds)} s`;
  const first = UNITS.findIndex(([size]) => seconds >= size);
  const [size, unit] = UNITS[first] as [number, string];
  const [nextSize, nextUnit] = UNITS[first + 1] as [number, string];
  const rest = Math.floor((seconds % size) / nextSize);
  return `${Math.floor(seconds / size)} ${unit}${rest ? ` ${rest} ${nextUnit}` : ""}`;
}

/** `in 4 m`, `now`, `12 s ago`: with one unit, since it is for a glance. */
export function relative(at: number, now: number): string {
  const off = Math.abs(at - now) / 1000;
  if (off < 1.5) return "now";
  const [size, unit] = UNITS.find(([each]) => off >= each) ?? [1, "s"];
  const text = `${Math.floor(off / size)} ${unit}`;
  return at > now ? `in ${text}` : `${text} ago`;
}

const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const year = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** Of today the clock alone; else with its day. In the reader's time zone. */
export function local(at: number, now: number): string {
  const then = new Date(at);
  if (then.toDateString() === new Date(now).toDateString()) return clock.format(then);
  const form = then.getFullYear() === new Date(now).getFullYear() ? day : year;
  return `${form.format(then)}, ${clock.format(then)}`;
}

export const clockTime = (at: number): string => clock.format(at);
