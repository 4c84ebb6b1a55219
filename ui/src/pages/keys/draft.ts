// What the form of a key holds, and the body of the request that it becomes.
import type { Shapes } from "../../api/client";
import { EXPIRIES, type Key, type Policy } from "./words";

export interface KeyDraft {
  name: string;
  environment: "prod" | "test";
  expiry: string;
  date: string;
  models: string[];
  surfaces: string[];
  scopes: string[];
  rate: number | string;
  spending: number | string;
  usage: number | string;
  content: Policy;
  strict: boolean;
}

export const NEW_KEY: KeyDraft = {
  name: "",
  environment: "prod",
  expiry: "never",
  date: "",
  models: [],
  surfaces: [],
  scopes: ["inference", "own_logs"],
  rate: "",
  spending: "",
  usage: "",
  content: "full",
  strict: false,
};

const DAY = 86_400_000;

export function draftOf(key: Key): KeyDraft {
  return {
    name: key.name,
    environment: key.environment,
    expiry: key.expiry_date ? "date" : "never",
    date: key.expiry_date ? key.expiry_date.slice(0, 10) : "",
    models: key.models,
    surfaces: key.surfaces,
    scopes: key.scopes,
    rate: key.rate_limit ?? "",
    spending: key.spending_limit ?? "",
    usage: key.max_usage < 0 ? "" : key.max_usage,
    content: key.content_policy,
    strict: key.strict,
  };
}

/** The whole of a form, as the API takes it. */
export function keyForm(draft: KeyDraft, known?: Key): Shapes["KeyForm"] {
  const said = {
    name: draft.name.trim(),
    is_test: draft.environment === "test",
    expiry_date: expiryOf(draft, known),
    models: draft.models,
    surfaces: draft.surfaces,
    scopes: draft.scopes,
    rate_limit: numberOf(draft.rate),
    spending_limit: numberOf(draft.spending),
    max_usage: numberOf(draft.usage) ?? -1,
    content_policy: draft.content,
    strict: draft.strict,
  };
  return said as Shapes["KeyForm"];
}

/** The end of the day that was chosen; a date that is as it was keeps its time of day. */
function expiryOf({ expiry, date }: KeyDraft, known?: Key): string | null {
  if (expiry === "date" && date) {
    const before = known?.expiry_date;
    return before?.slice(0, 10) === date ? before : new Date(`${date}T23:59:59`).toISOString();
  }
  const days = EXPIRIES.find(({ value }) => value === expiry)?.days;
  return days == null ? null : new Date(Date.now() + days * DAY).toISOString();
}

function numberOf(value: number | string): number | null {
  return typeof value === "number" ? value : value.trim() === "" ? null : Number(value);
}
