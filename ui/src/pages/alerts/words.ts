// Events in words. They are read out of docs/alerts.md, which is written from the one table of events (core/alert.py), so
// that page and program cannot differ.
import document from "../../../../docs/alerts.md?raw";
import type { Shapes } from "../../api/client";

export type Event = Shapes["Event"];
export type Channel = Shapes["ChannelItem"];
export type Kind = Shapes["ChannelKind"];

export interface EventTerms {
  event: Event;
  label: string;
  means: string;
  again: string;
}

const HEAD = "| event |"; // of the table of events; another one below it has the rules
const ROW = /^\| `(\w+)` \| (.+) \| (.+) \|$/gm;
const TABLE = section("Events")
  .split("\n\n")
  .find((part) => part.startsWith(HEAD));

export const EVENTS: readonly EventTerms[] = [...(TABLE ?? "").matchAll(ROW)].map(
  ([, event = "", means = "", again = ""]) => ({
    event: event as Event,
    label: labelOf(event),
    means: means.replaceAll("`", ""),
    again,
  }),
);

export const KINDS: Record<Kind, string> = { webhook: "Webhook", slack: "Slack", email: "E-mail" };

export const ENVIRONMENTS = [
  { value: "both", label: "Both" },
  { value: "prod", label: "Production" },
  { value: "test", label: "Test" },
];

export function labelOf(event: string): string {
  const words = event.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export function eventsOf({ events }: Pick<Channel, "events">): string {
  return events.length ? events.map(labelOf).join(", ") : "All but request logs";
}

/** The first program under a heading, as it stands there. */
export function programOf(heading: string): string {
  return section(heading).match(/^```python\n([\s\S]*?)\n```$/m)?.[1] ?? "";
}

function section(heading: string): string {
  return document.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? "";
}
