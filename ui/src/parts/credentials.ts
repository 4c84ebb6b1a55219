// What is asked of the API about providers and their credentials, and the words for it.
import type { Shapes } from "../api/client";

export type ProviderCard = Shapes["ProviderCard"];
export type Credential = Shapes["CredentialItem"];
export type Verdict = Shapes["CredentialVerdict"];

/** What a form of a credential holds; numbers and lists as they are typed. */
export interface Draft {
  name: string;
  fields: Record<string, string>;
  baseUrl: string;
  weight: number | string;
  models: string[];
  excluded: string[];
  environment: "all" | "prod" | "test";
}

export const EMPTY: Draft = {
  name: "default",
  fields: {},
  baseUrl: "",
  weight: 1,
  models: [],
  excluded: [],
  environment: "all",
};

/** The body of a request that adds, or tries, what a form says. */
export function credentialForm(providerId: string, draft: Draft): Shapes["CredentialForm"] {
  return {
    provider_id: providerId,
    name: draft.name.trim() || "default",
    fields: given(draft.fields),
    base_url: draft.baseUrl.trim() || null,
    ...serviceForm(draft),
  };
}

/** What of a form says what the credential serves. */
export function serviceForm({ weight, models, excluded, environment }: Draft) {
  return {
    weight: typeof weight === "number" ? weight : 1,
    available_models: models,
    exclude_models: excluded,
    environment: environment === "all" ? null : environment,
  };
}

export function given(fields: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value.trim() !== ""));
}

/** Whether everything is there without which no call can be made. */
export function isWhole(provider: ProviderCard, { fields, baseUrl }: Pick<Draft, "fields" | "baseUrl">): boolean {
  const has = (name: string) => Boolean(fields[name]?.trim());
  const required = provider.credential_fields.filter((field) => field.required && !field.default && !field.address);
  const address = provider.credential_fields.find((field) => field.address);
  return (
    required.every(({ name }) => has(name)) &&
    (provider.either.length === 0 || provider.either.some((names) => names.every(has))) &&
    (!provider.needs_base_url || Boolean(baseUrl.trim()) || Boolean(address && has(address.name)))
  );
}

/** Where a credential comes from, for who wonders why it cannot be changed here. */
export function declaredBy({ managed_by, source }: Credential): string | null {
  if (managed_by === "environment") {
    return `It was found in the environment as $${source}. Unset it there, or start the gateway without it.`;
  }
  return managed_by ? `It is declared in ${managed_by}. Change it there; it is read again at a start.` : null;
}
