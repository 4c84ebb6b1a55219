// What is asked of the catalogue, as the address says it, and as the API takes it.
import type { Shapes } from "../../api/client";
import type { Search } from "../../app/router";

export type Model = Shapes["ModelItem"];

export const PAGE_SIZE = 50;

export interface Question {
  search: string;
  provider: string | null;
  type: string | null;
  can: string[];
  connected: boolean;
  own: boolean;
  sort: string;
  page: number;
}

export const TYPES = [
  { value: "chat", label: "Chat" },
  { value: "embedding", label: "Embedding" },
  { value: "audio", label: "Audio" },
  { value: "ocr", label: "OCR" },
  { value: "moderation", label: "Moderation" },
];

export const ABILITIES = [
  { value: "function_call", label: "Tools" },
  { value: "image_support", label: "Sees images" },
  { value: "reasoning_support", label: "Reasons" },
  { value: "streaming_support", label: "Streams" },
];

export function questionOf(address: Search): Question {
  const text = (name: string) => (typeof address[name] === "string" ? (address[name] as string) : null);
  return {
    search: text("q") ?? "",
    provider: text("provider"),
    type: text("type"),
    can: Array.isArray(address.can) ? address.can.map(String) : [],
    connected: address.connected !== false,
    own: address.own === true,
    sort: text("sort") ?? "-number_of_requests",
    page: typeof address.page === "number" ? address.page : 1,
  };
}

/** The body of `POST /api/models/list`. */
export function formOf(question: Question, connected: readonly string[]): Shapes["ModelsForm"] {
  const filters: Record<string, unknown> = {};
  if (question.provider) {
    filters.provider = question.provider;
  } else if (question.connected && !question.own) {
    filters.provider = { operator: "in", value: connected };
  }
  if (question.type) {
    filters.model_type = question.type;
  }
  if (question.own) {
    filters.affiliation_category = "custom";
  }
  for (const ability of question.can) {
    filters[ability] = ability === "reasoning_support" ? true : 1;
  }
  return { filters: filters as never, search: question.search, is_exporting: false };
}

/** Which credentials of a provider serve a model, by its provider's own name of it. */
export function serving(model: Model, credentials: readonly Shapes["CredentialItem"][]): Shapes["CredentialItem"][] {
  const name = model.model_name.slice(model.model_name.indexOf("/") + 1);
  const fits = (patterns: readonly string[]) =>
    patterns.some((pattern) => matcher(pattern).test(name) || matcher(pattern).test(model.model_name));
  return credentials.filter(
    ({ provider_id, available_models, exclude_models, weight }) =>
      provider_id === model.provider?.provider_id &&
      weight > 0 &&
      (available_models.length === 0 || fits(available_models)) &&
      !fits(exclude_models),
  );
}

function matcher(pattern: string): RegExp {
  return new RegExp(
    `^${pattern
      .replaceAll(/[.+^${}()|[\]\\]/g, "\\$&")
      .replaceAll("*", ".*")
      .replaceAll("?", ".")}$`,
  );
}
