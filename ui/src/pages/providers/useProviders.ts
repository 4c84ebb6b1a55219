// Providers with what is yours of each: credentials, the health of their deployments, and what leads to them.
import { $api, type Shapes } from "../../api/client";
import type { Credential, ProviderCard } from "../../parts/credentials";

export type Deployment = Shapes["DeploymentItem"];

export interface Connected {
  provider: ProviderCard;
  credentials: Credential[];
  health: Deployment[];
}

const AGAIN = 5000; // ms: a cooldown begins and ends by itself

export function useProviders() {
  const providers = $api.useQuery("get", "/api/providers/catalogue");
  const credentials = $api.useQuery("get", "/api/credentials");
  const health = $api.useQuery("get", "/api/health/deployments", {}, { refetchInterval: AGAIN });
  const all = (providers.data ?? []).map((provider) => ({
    provider,
    credentials: (credentials.data ?? []).filter((one) => one.provider_id === provider.provider_id),
    health: (health.data ?? []).filter((one) => one.provider_id === provider.provider_id),
  }));
  return { providers, credentials, all };
}

/** The share of calls that a credential gets, of those that serve the same provider. */
export function shareOf(credential: Credential, beside: readonly Credential[]): number {
  const sum = beside.reduce((sum, { weight }) => sum + weight, 0);
  return sum === 0 ? 0 : credential.weight / sum;
}

export function healthOf(credential: Credential, health: readonly Deployment[]): Deployment[] {
  return health.filter(({ credential_name }) => credential_name === credential.name);
}
