// What a key may do and what is kept of its calls, in the words of people.
import type { Shapes } from "../../api/client";

export type Key = Shapes["KeyItem"];
export type Policy = Key["content_policy"];

export const SCOPES: readonly { value: string; label: string; about: string }[] = [
  { value: "inference", label: "Calls", about: "Call models" },
  { value: "own_logs", label: "Own logs", about: "Read the logs of its own calls" },
  { value: "read", label: "Read", about: "Read everything of the organization: logs, dashboards, configuration" },
  {
    value: "native",
    label: "Native",
    about: "Files, batches, agents and whatever else lives with a provider's account",
  },
  { value: "ingest", label: "Ingest", about: "Post logs and traces of calls that were made elsewhere" },
  { value: "manage", label: "Manage", about: "Change providers, keys, routing and limits" },
  { value: "team", label: "Team", about: "Invite people, change their roles, read the audit log" },
];

export const SURFACES: readonly { value: string; label: string }[] = [
  { value: "mistral", label: "Mistral's API" },
  { value: "openai", label: "OpenAI's API" },
  { value: "anthropic", label: "Anthropic's API" },
  { value: "google", label: "Google's API" },
  { value: "cohere", label: "Cohere's API" },
  { value: "native", label: "Native operations" },
];

export const POLICIES: readonly { value: Policy; label: string; about: string }[] = [
  { value: "full", label: "Everything", about: "What was said is kept with each log" },
  { value: "redacted", label: "Redacted", about: "What was said, with personal data and keys masked" },
  { value: "metadata", label: "Metadata alone", about: "Usage, cost, timings and metadata; nothing that was said" },
  { value: "nothing", label: "Nothing", about: "Usage, cost and timings alone; no metadata and no customer" },
];

export const EXPIRIES: readonly { value: string; label: string; days: number | null }[] = [
  { value: "never", label: "Never", days: null },
  { value: "2w", label: "In 2 weeks", days: 14 },
  { value: "1m", label: "In 1 month", days: 30 },
  { value: "3m", label: "In 3 months", days: 91 },
  { value: "date", label: "On a date…", days: null },
];

export function labelOfScope(scope: string): string {
  return SCOPES.find(({ value }) => value === scope)?.label ?? scope;
}

export type State = "live" | "expired" | "revoked" | "replaced";

export function stateOf(key: Key, now = Date.now()): State {
  if (key.revoked) {
    return "revoked";
  }
  if (key.expiry_date && new Date(key.expiry_date).getTime() <= now) {
    return key.replaced_by ? "replaced" : "expired";
  }
  return "live";
}
