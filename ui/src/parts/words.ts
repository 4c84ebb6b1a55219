// Numbers, amounts and times as they are read. Unknown is a dash, never a zero.
const UNKNOWN = "–";
const counts = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

type Maybe = number | null | undefined;

export function count(value: Maybe): string {
  return value == null ? UNKNOWN : counts.format(value);
}

export function compact(value: Maybe): string {
  return value == null ? UNKNOWN : Math.abs(value) < 10_000 ? counts.format(value) : short.format(value);
}

/** US dollars, with as many places as tell something: $12.30, $0.0042, $0.00000075. */
export function money(value: Maybe): string {
  if (value == null) {
    return UNKNOWN;
  }
  const size = Math.abs(value);
  if (size === 0) {
    return "$0";
  }
  const places = size >= 1 ? 2 : size >= 0.01 ? 4 : Math.min(9, 2 - Math.floor(Math.log10(size)));
  const text = size.toLocaleString("en", { minimumFractionDigits: Math.min(places, 2), maximumFractionDigits: places });
  return `${value < 0 ? "−" : ""}$${text}`;
}

/** A duration in seconds. */
export function duration(seconds: Maybe): string {
  if (seconds == null) {
    return UNKNOWN;
  }
  if (seconds < 0.001) {
    return `${Math.round(seconds * 1e6)} µs`;
  }
  if (seconds < 1) {
    return `${seconds < 0.01 ? (seconds * 1000).toFixed(1) : Math.round(seconds * 1000)} ms`;
  }
  if (seconds < 60) {
    return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  }
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) {
    return `${minutes} min ${Math.round(seconds % 60)} s`;
  }
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

/** A share from 0 to 1. */
export function percent(share: Maybe, places = 1): string {
  return share == null ? UNKNOWN : `${(share * 100).toFixed(places)} %`;
}

export function bytes(value: Maybe): string {
  if (value == null) {
    return UNKNOWN;
  }
  const units = ["B", "KB", "MB", "GB", "TB"];
  let size = value;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${unit === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}

const absolute = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** A time that the API wrote, in the reader's own zone. */
export function moment(iso: string | null | undefined): string {
  return iso ? absolute.format(new Date(iso)) : UNKNOWN;
}

export function ago(iso: string | null | undefined, now = Date.now()): string {
  if (!iso) {
    return "never";
  }
  const seconds = (now - new Date(iso).getTime()) / 1000;
  const ahead = seconds < 0;
  const size = Math.abs(seconds);
  const text =
    size < 45
      ? `${Math.round(size)} s`
      : size < 3600
        ? `${Math.round(size / 60)} min`
        : size < 86_400
          ? `${Math.round(size / 3600)} h`
          : `${Math.round(size / 86_400)} d`;
  return ahead ? `in ${text}` : `${text} ago`;
}
