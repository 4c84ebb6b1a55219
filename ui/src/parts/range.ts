// Stretches of time that are asked about: a preset that ends now, all, or two moments. They stand in the address as
// `range`, and `from` and `to` (ISO).
export interface Range {
  range: string;
  from?: string;
  to?: string;
}

export const PRESETS = [
  { range: "15m", label: "Last 15 minutes", seconds: 15 * 60 },
  { range: "1h", label: "Last hour", seconds: 3600 },
  { range: "24h", label: "Last 24 hours", seconds: 86_400 },
  { range: "7d", label: "Last 7 days", seconds: 7 * 86_400 },
  { range: "30d", label: "Last 30 days", seconds: 30 * 86_400 },
] as const;

export const ALL = "all";
export const CUSTOM = "custom";

export function readRange(search: Record<string, unknown>, usual = "24h"): Range {
  const { from, to } = search;
  if (typeof from === "string" || typeof to === "string") {
    return {
      range: CUSTOM,
      ...(typeof from === "string" ? { from } : {}),
      ...(typeof to === "string" ? { to } : {}),
    };
  }
  const range = String(search.range ?? usual);
  return { range: range === ALL || PRESETS.some((preset) => preset.range === range) ? range : usual };
}

/** What the API is asked: from a time on, and where it ends before now, before a time. */
export function boundsOf({ range, from, to }: Range, now: number): { start_time: string; end_time?: string } {
  const seconds = PRESETS.find((preset) => preset.range === range)?.seconds;
  if (seconds !== undefined) {
    return { start_time: new Date(now - seconds * 1000).toISOString() };
  }
  return { start_time: from ?? new Date(0).toISOString(), ...(to ? { end_time: to } : {}) };
}

const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

export function rangeInWords({ range, from, to }: Range): string {
  if (range === CUSTOM) {
    return `${from ? day.format(new Date(from)) : "The beginning"} – ${to ? day.format(new Date(to)) : "now"}`;
  }
  return PRESETS.find((preset) => preset.range === range)?.label ?? "All time";
}
