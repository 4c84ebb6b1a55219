// The routing document as the page edits it: a value, changed by copies.
//
// Law: what a document leaves open is not written into it, for a default is free to change; so what is set to its default
// or emptied here is taken out (`tidy`).
export type Strategy = "weighted" | "least_latency" | "least_busy" | "cheapest";
export type Affinity = "auto" | "always" | "never";

export interface Member {
  model: string;
  weight?: number;
  credential?: string;
}

export interface Group {
  id: string;
  name?: string;
  strategy?: Strategy;
  affinity?: Affinity;
  members: Member[];
}

export interface Retries {
  num_retries?: number;
  retry_after?: number;
}

export interface Hedge {
  after: number;
  share?: number;
}

export interface ModelRule {
  match: string;
  strategy?: Strategy;
  affinity?: Affinity;
  fallback_models?: string[];
  retries?: Retries;
  hedge?: Hedge;
  connect_timeout?: number;
  first_token_timeout?: number;
  idle_timeout?: number;
  total_timeout?: number;
}

export interface CacheRule {
  enabled?: boolean;
  ttl?: number;
  by_model?: boolean;
  by_customer?: boolean;
  omit_log?: boolean;
}

export interface Rules {
  groups?: Group[];
  fallback_models?: string[];
  retries?: Retries;
  models?: ModelRule[];
  cache?: CacheRule;
}

export const USUAL_RETRIES = { num_retries: 3, retry_after: 0.2 } as const;
export const USUAL_CACHE = {
  enabled: false,
  ttl: 2_592_000,
  by_model: true,
  by_customer: false,
  omit_log: false,
} as const;
export const USUAL_HEDGE_SHARE = 0.05;

export const STRATEGIES: Record<Strategy, { label: string; means: string }> = {
  weighted: { label: "By weight", means: "Each as often as its weight says" },
  least_latency: { label: "Fastest", means: "The faster of two that the weights draw" },
  least_busy: { label: "Least busy", means: "Of two that the weights draw, the one with fewer calls under way" },
  cheapest: { label: "Cheapest", means: "The lowest list price; by weight among equals" },
};

export const AFFINITIES: Record<Affinity, { label: string; means: string }> = {
  auto: {
    label: "Long ones stay",
    means: "A conversation stays with a member once it is long enough to be cached there",
  },
  always: { label: "All stay", means: "Every conversation stays with a member, so that its prompt cache is met" },
  never: { label: "None stays", means: "Each call is drawn anew" },
};

export const TIMEOUTS = [
  { name: "connect_timeout", label: "Connect within" },
  { name: "first_token_timeout", label: "First token within" },
  { name: "idle_timeout", label: "Silent for at most" },
  { name: "total_timeout", label: "Whole call within" },
] as const;

export function choices<T extends string>(terms: Record<T, { label: string; means: string }>) {
  return (Object.keys(terms) as T[]).map((value) => ({
    value,
    label: `${terms[value].label}: ${lowered(terms[value].means)}`,
  }));
}

/** The share of each member of a group, from 0 to 1; a weight of 0 drains it. */
export function shares(members: readonly Member[]): number[] {
  const weights = members.map(({ weight }) => weight ?? 1);
  const whole = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => (whole > 0 ? weight / whole : 0));
}

/** A document without what is empty, and without what would hold anyway. */
export function tidy(rules: Rules): Rules {
  const { groups, fallback_models, retries, models, cache } = rules;
  return given({
    groups: groups?.length ? groups.map(tidyGroup) : undefined,
    fallback_models: filled(fallback_models),
    retries,
    models: models?.length ? models.map(tidyRule) : undefined,
    cache: isEmpty(cache) ? undefined : cache,
  });
}

function tidyGroup({ id, name, strategy, affinity, members }: Group): Group {
  return given({
    id,
    name: name || undefined,
    strategy: strategy === "weighted" ? undefined : strategy,
    affinity: affinity === "auto" ? undefined : affinity,
    members: members.map(({ model, weight, credential }) =>
      given({ model, weight: weight === 1 ? undefined : weight, credential: credential || undefined }),
    ),
  });
}

function tidyRule(rule: ModelRule): ModelRule {
  return given({ ...rule, fallback_models: filled(rule.fallback_models) });
}

function filled(names: string[] | undefined): string[] | undefined {
  return names?.length ? names : undefined;
}

function isEmpty(value: object | undefined): boolean {
  return value === undefined || Object.keys(value).length === 0;
}

/** The object without members that say nothing. */
export function given<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as T;
}

export function replaced<T>(list: readonly T[], place: number, value: T): T[] {
  return list.map((each, at) => (at === place ? value : each));
}

export function without<T>(list: readonly T[], place: number): T[] {
  return list.filter((_, at) => at !== place);
}

export function moved<T>(list: readonly T[], from: number, to: number): T[] {
  const rest = [...list];
  rest.splice(to, 0, ...rest.splice(from, 1));
  return rest;
}

export function lowered(words: string): string {
  return words.charAt(0).toLowerCase() + words.slice(1);
}
