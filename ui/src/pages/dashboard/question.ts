// What the dashboard asks: a range, an environment, filters; and the metrics and ways to tell them apart that there are.
import { keepPreviousData } from "@tanstack/react-query";
import { useMemo } from "react";
import { $api, type Shapes } from "../../api/client";
import { boundsOf, type Range } from "../../parts/range";
import { compact, count, duration, money, percent } from "../../parts/words";

export type Metrics = Shapes["Metrics"];
export type MetricsRow = Shapes["MetricsRow"];
type Format = (value: number | null | undefined) => string;

export interface Metric {
  key: Exclude<keyof Metrics, "requests_per_second">;
  label: string;
  format: Format;
  /** Whether less of it is better. */
  less?: boolean;
  /** It has no sum over time, so its curve is not filled. */
  average?: boolean;
}

const hundredths: Format = (value) => percent(value == null ? null : value / 100);
const speed: Format = (value) => (value == null ? "–" : value < 1000 ? value.toFixed(1) : compact(value));

export const METRICS: readonly Metric[] = [
  { key: "number_of_requests", label: "Requests", format: compact },
  { key: "total_cost", label: "Cost", format: money, less: true },
  { key: "total_tokens", label: "Tokens", format: compact },
  { key: "average_latency", label: "Latency", format: duration, less: true, average: true },
  { key: "average_ttft", label: "Time to first token", format: duration, less: true, average: true },
  { key: "average_tps", label: "Tokens a second", format: speed, average: true },
  { key: "error_count", label: "Errors", format: count, less: true },
  { key: "error_percentage", label: "Error share", format: hundredths, less: true, average: true },
  { key: "prompt_cache_hit_tokens", label: "Prompt cache, tokens read", format: compact },
  { key: "cache_hit_percentage", label: "Response cache hits", format: hundredths, average: true },
];

export const FIGURES = METRICS.filter(({ key }) => key !== "error_count");

export function readMetric(key: unknown): Metric {
  return METRICS.find((metric) => metric.key === key) ?? (METRICS[0] as Metric);
}

export const DIMENSIONS = [
  { value: "model", label: "model", top: "models", field: "model" },
  { value: "organization_key_id", label: "API key", top: "keys", field: "organization_key_id" },
  { value: "customer_identifier", label: "customer", top: "users", field: "customer_identifier" },
  { value: "provider_id", label: "provider", top: "providers", field: "provider_id" },
  { value: "deployment_name", label: "deployment", top: "deployments", field: "deployment_name" },
] as const;

export type Dimension = (typeof DIMENSIONS)[number]["value"];

export interface Question {
  range: Range;
  environment: "prod" | "test";
  query: { start_time: string; end_time?: string; timezone_offset: number; environment: "prod" | "test" };
}

const MINUTE = 60_000;

/** A question that stays the same for a minute, so that all parts of the page ask, and remember, the same. */
export function useQuestion(range: Range, search: Record<string, unknown>): Question {
  const environment = search.environment === "test" ? "test" : "prod";
  const minute = Math.ceil(Date.now() / MINUTE) * MINUTE;
  const { range: name, from, to } = range;
  return useMemo(
    () => ({
      range: { range: name, from, to },
      environment,
      query: {
        ...boundsOf({ range: name, from, to }, minute),
        timezone_offset: -new Date().getTimezoneOffset() / 60,
        environment,
      },
    }),
    [name, from, to, environment, minute],
  );
}

export const ASKED = { placeholderData: keepPreviousData, refetchInterval: MINUTE } as const;

export function useMetrics({ query }: Question) {
  return $api.useQuery("post", "/api/dashboard/llm-metrics", { params: { query }, body: {} }, ASKED);
}

/** The address of the logs behind a part of the dashboard. */
export function logsOf(
  { range, environment }: Question,
  filters: Record<string, string> = {},
): Record<string, unknown> {
  return {
    ...(range.from || range.to ? { from: range.from, to: range.to } : { range: range.range }),
    ...(environment === "test" ? { environment } : {}),
    ...filters,
  };
}
