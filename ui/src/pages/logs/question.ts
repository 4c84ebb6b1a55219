// What is asked of the logs: as it stands in the address, and as the API takes it.
//
// Law: the address has all of it, so that what is seen can be shared, saved and returned to. Conditions are joined from
// the left, each by its own connector with all before it, which is the API's grammar (docs/request-logs.md).
import { boundsOf, type Range, readRange } from "../../parts/range";

export type Value = string | number | boolean;

export interface Term {
  field: string;
  operator: string;
  values: Value[];
  /** How it is joined to what stands before it. */
  connector?: "OR";
}

export interface Question {
  range: Range;
  environment: "all" | "prod" | "test";
  search: string;
  terms: Term[];
  sort: string;
}

/** The names that a question has in the address, beside fields that stand there by themselves. */
const ASKED = ["range", "from", "to", "environment", "q", "filters", "sort"] as const;
const BESIDE: readonly string[] = [...ASKED, "log", "tab", "live", "view"];

export const NEWEST = "-id";

export function readQuestion(search: Record<string, unknown>, beside: readonly string[] = []): Question {
  return {
    range: readRange(search),
    environment: search.environment === "prod" || search.environment === "test" ? search.environment : "all",
    search: search.q == null ? "" : String(search.q),
    terms: [
      ...(Array.isArray(search.filters) ? search.filters.filter(isTerm) : []),
      ...plainFields(search, beside).map((field) => ({ field, operator: "", values: [search[field] as Value] })),
    ],
    sort: typeof search.sort === "string" ? search.sort : NEWEST,
  };
}

/** Fields that stand in the address by themselves, as `model=gpt-5.5`: other pages lead here so. */
function plainFields(search: Record<string, unknown>, beside: readonly string[]): string[] {
  const other = [...BESIDE, ...beside];
  return Object.keys(search).filter((name) => !other.includes(name) && typeof search[name] !== "object");
}

/** What changes in the address so that these are the conditions, and no others. */
export function addressOf(
  terms: readonly Term[],
  search: Record<string, unknown>,
  beside: readonly string[] = [],
): Record<string, unknown> {
  const plain = Object.fromEntries(plainFields(search, beside).map((name) => [name, null]));
  return { ...plain, filters: terms.length ? terms : null };
}

/** What a saved view keeps of the address: the question, and not what is open. */
export function viewOf(search: Record<string, unknown>): Record<string, unknown> {
  const names = [...ASKED, ...plainFields(search, [])];
  return Object.fromEntries(names.filter((name) => search[name] != null).map((name) => [name, search[name]]));
}

/** What changes in the address so that it asks what a view does. */
export function addressOfView(view: Record<string, unknown>, search: Record<string, unknown>): Record<string, unknown> {
  const nothing = Object.fromEntries([...ASKED, ...plainFields(search, [])].map((name) => [name, null]));
  return { ...nothing, ...view };
}

function isTerm(given: unknown): given is Term {
  const term = given as Partial<Term> | null;
  return typeof term?.field === "string" && typeof term.operator === "string" && Array.isArray(term.values);
}

/** The parameters of the query; `now` is when it was asked, so that its pages belong together. */
export function parametersOf(question: Question, now: number): Record<string, string> {
  return {
    ...boundsOf(question.range, now),
    ...(question.environment === "all" ? { all_envs: "true" } : { environment: question.environment }),
    ...(question.search.trim() ? { search: question.search.trim() } : {}),
    ...(question.sort === NEWEST ? {} : { sort_by: question.sort }),
  };
}

type Filters = Record<string, unknown>;

/** The filters of the body. A bundle stands around what a connector joins to, whenever the connector changes. */
export function filtersOf(terms: readonly Term[]): Filters {
  const names = terms.map(({ field }) => field);
  const plain = terms.every(({ connector }) => !connector) && new Set(names).size === names.length;
  if (plain) {
    return Object.fromEntries(terms.map((term) => [term.field, conditionOf(term)]));
  }
  let joined: Filters = {};
  let joiner: "AND" | "OR" | null = null;
  terms.forEach((term, place) => {
    const wanted = term.connector ?? "AND";
    if (place > 0 && joiner !== null && wanted !== joiner) {
      joined = { before: { connector: joiner, filter_params: joined } };
    }
    if (place > 0) {
      joiner = wanted;
    }
    joined[`${place + 1}`] = { filter_params: { [term.field]: conditionOf(term) } };
  });
  return joiner === "OR" ? { any: { connector: "OR", filter_params: joined } } : joined;
}

function conditionOf({ operator, values }: Term): { operator: string; value: Value[] } {
  return { operator, value: values };
}
