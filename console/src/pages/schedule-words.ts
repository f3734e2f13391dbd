/** A schedule in words. */
import { lasting } from "../ui/times";

export interface ScheduleShape {
  cron?: string;
  rrule?: string;
  interval?: number;
  anchor_date?: string | null;
  timezone?: string | null;
}

export function inWords(schedule: ScheduleShape): string {
  const zone = schedule.timezone && schedule.timezone !== "UTC" ? `, ${schedule.timezone}` : ", UTC";
  if (schedule.cron) return `cron ${schedule.cron}${zone}`;
  if (schedule.rrule) return `${schedule.rrule.replace(/\n/g, " ")}${zone}`;
  return `every ${lasting(schedule.interval ?? 0)}${zone}`;
}
