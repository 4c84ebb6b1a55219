// A limit in words: what it counts, of whom, and how much of it is used.
import type { Shapes } from "../../api/client";
import { compact, money } from "../../parts/words";

export type Limit = Shapes["LimitItem"];
export type Found = Limit | Shapes["BrokenLimitItem"];

export const SCOPES = [
  { value: "organization", label: "the whole organization" },
  { value: "api_key", label: "an API key" },
  { value: "customer", label: "a customer" },
  { value: "model", label: "a model" },
] as const;

export const UNITS = [
  { value: "cost", label: "cost (US dollars)" },
  { value: "requests", label: "requests" },
  { value: "tokens", label: "tokens" },
  { value: "concurrency", label: "calls at the same time" },
] as const;

export const PERIODS = ["minute", "hour", "day", "week", "month", "year", "lifetime"] as const;

export function isRead(limit: Found): limit is Limit {
  return limit.state === "ok";
}

export function amountIn(unit: Limit["unit"], amount: number | null): string {
  return unit === "cost" ? money(amount) : compact(amount);
}

export function subjectOf({ scope, subject }: Limit, keyNames: Map<string, string>): string {
  if (scope === "organization") {
    return "Everything";
  }
  const kind = { api_key: "API key", customer: "Customer", model: "Model" }[scope];
  return subject === "*" ? `Each ${kind.toLowerCase()}` : `${kind} ${keyNames.get(subject) ?? subject}`;
}

export function ruleOf({ unit, amount, period }: Limit): string {
  if (unit === "concurrency") {
    return `${compact(amount)} calls at the same time`;
  }
  const what = unit === "cost" ? money(amount) : `${compact(amount)} ${unit}`;
  return period === "lifetime" ? `${what} in all` : `${what} a ${period}`;
}
