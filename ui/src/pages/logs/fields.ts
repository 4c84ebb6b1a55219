// What logs are filtered by, in words: the fields of the API, the operators of their kinds.
import type { Term } from "./question";

export interface FieldKnown {
  kind: string;
  options: readonly (string | boolean)[];
}

export const METADATA = "metadata__";

const LABELS: Record<string, string> = {
  model: "Model",
  requested_model: "Requested model",
  provider_id: "Provider",
  deployment_name: "Credential",
  credential_id: "Credential id",
  outcome: "Outcome",
  status: "Status",
  status_code: "Status code",
  error_message: "Error message",
  failed: "Failed",
  organization_key_id: "API key",
  customer_identifier: "Customer",
  customer_name: "Customer name",
  customer_email: "Customer e-mail",
  thread_identifier: "Thread",
  trace_unique_id: "Trace",
  span_unique_id: "Span",
  span_parent_id: "Parent span",
  span_name: "Span name",
  custom_identifier: "Custom identifier",
  group_identifier: "Group",
  environment: "Environment",
  log_type: "Type",
  log_method: "Came by",
  operation: "Operation",
  dialect: "Dialect",
  tier: "Tier",
  stream: "Streamed",
  cost: "Cost (USD)",
  latency: "Latency (s)",
  time_to_first_token: "Time to first token (s)",
  routing_time: "Routing time (s)",
  tokens_per_second: "Tokens per second",
  total_tokens: "Tokens",
  prompt_tokens: "Prompt tokens",
  completion_tokens: "Completion tokens",
  reasoning_tokens: "Reasoning tokens",
  prompt_cache_hit_tokens: "Prompt tokens read from the provider's cache",
  prompt_cache_creation_tokens: "Prompt tokens written to the provider's cache",
  cache_hit: "Answered from the response cache",
  cache_savings: "Saved by the response cache (USD)",
  price_missing: "Price missing",
  usage_estimated: "Usage estimated",
  content_truncated: "Content cut",
  finish_reason: "Finish reason",
  has_tool_calls: "Has tool calls",
  tools: "Tools offered",
  tool_calls: "Tool calls (JSON)",
  warnings: "Warnings",
  changes: "Changed parameters",
  is_pinned: "Pinned",
  positive_feedback: "Feedback is positive",
  note: "Note",
  metadata: "Metadata (JSON)",
  properties: "Properties (JSON)",
  messages: "What was said",
  input: "Input",
  output: "Output",
  id: "Log id",
  response_id: "Response id",
  upstream_request_id: "Provider's request id",
  user_agent: "User agent",
  path: "Path",
  temperature: "Temperature",
  max_tokens: "Max tokens",
  timestamp: "Ended at",
  start_time: "Began at",
  is_root_span: "Root of a trace",
};

const OFTEN = [
  "model",
  "provider_id",
  "outcome",
  "status_code",
  "organization_key_id",
  "customer_identifier",
  "cost",
  "latency",
  "total_tokens",
];
const ALIASES = new Set([
  "unique_id",
  "generation_time",
  "ttft",
  "all_tokens",
  "total_request_tokens",
  "session_identifier",
  "request_url_path",
  "prompt_messages",
  "completion_message",
  "full_text",
  "search",
]);

export function fieldLabel(name: string): string {
  if (name.startsWith(METADATA)) {
    return `Metadata: ${name.slice(METADATA.length)}`;
  }
  return LABELS[name] ?? name.replaceAll("_", " ").replace(/^./, (first) => first.toUpperCase());
}

/** The fields to choose from, in groups: what is asked for often, the rest by name. */
export function fieldChoices(fields: Record<string, FieldKnown>): { group: string; items: Choice[] }[] {
  const rest = Object.keys(fields)
    .filter((name) => !OFTEN.includes(name) && !ALIASES.has(name))
    .sort((a, b) => fieldLabel(a).localeCompare(fieldLabel(b)));
  return [
    { group: "Often asked for", items: OFTEN.filter((name) => name in fields).map(choiceOf) },
    { group: "Yours", items: [{ value: METADATA, label: "Metadata key…" }] },
    { group: "All fields", items: rest.map(choiceOf) },
  ];
}

interface Choice {
  value: string;
  label: string;
}

function choiceOf(name: string): Choice {
  return { value: name, label: fieldLabel(name) };
}

const EXISTS: Record<string, string> = { not_empty: "is there", empty: "is not there" };
const OPERATORS: Record<string, Record<string, string>> = {
  text: {
    "": "is",
    not: "is not",
    icontains: "contains",
    contains: "contains (exact case)",
    not_contains: "does not contain",
    startswith: "begins with",
    not_startswith: "does not begin with",
    endswith: "ends with",
    not_endswith: "does not end with",
    iexact: "is, in any case",
    regex: "matches the expression",
    ilike: "is like (% and _)",
    trigram_word_similar: "resembles",
    full_text_search: "has the words",
    gt: "sorts after",
    gte: "sorts at or after",
    lt: "sorts before",
    lte: "sorts at or before",
    ...EXISTS,
  },
  number: { gte: "≥", gt: ">", lte: "≤", lt: "<", "": "=", not: "≠", not_empty: "is known", empty: "is not known" },
  time: { gte: "from", lt: "before", gt: "after", lte: "until", not_empty: "is known", empty: "is not known" },
  boolean: { "": "is", not_empty: "is known", empty: "is not known" },
  list: { contains: "has", icontains: "has, in part", "": "is exactly", ...EXISTS },
  object: { has_key: "has the key", icontains: "contains", contains: "contains (exact case)", ...EXISTS },
  words: { full_text_search: "has the words", icontains: "contains", contains: "contains in a row" },
};

/** The operators of a kind by the API's names, in words. */
export function operatorsOf(kind: string): Record<string, string> {
  return OPERATORS[kind] ?? OPERATORS.text ?? {};
}

export function takesNoValue(operator: string): boolean {
  return operator === "empty" || operator === "not_empty" || operator === "isnull";
}

export function takesOneValue(operator: string): boolean {
  return ["lt", "lte", "gt", "gte"].includes(operator);
}

export function termInWords(term: Term, kind: string, nameOf: (value: Term["values"][number]) => string): string {
  const operator = operatorsOf(kind)[term.operator] ?? term.operator;
  const values = takesNoValue(term.operator) ? "" : term.values.map(nameOf).join(" or ");
  return `${fieldLabel(term.field)} ${operator} ${values}`.trim();
}
