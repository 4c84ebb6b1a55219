// Where a request would go, asked of the gateway itself: the plan that its calls go by, walked without calling anybody.
//
// Law: it is the gateway that answers (docs/routing.md), so it is asked with an API key, as any client does; the page gets
// one of a quarter of an hour. The answer's shape is gateway/explanation.py's.
import { refusalOf } from "../../api/client";
import { borrowKey } from "../../parts/calling";
import type { Rules } from "./rules";

export interface SeenDeployment {
  provider_id: string;
  credential: string;
  model: string | null;
  tier: string;
  weight: number;
  share: number;
  condition: string;
  latency?: number;
  busy?: number;
  price?: number | null;
}

export interface SeenStep {
  step: string;
  reason: string;
  share: number;
  condition: string;
  provider_id: string;
  credential: string;
  model: string | null;
  tier: string;
  pause: number;
}

export interface Told {
  path: string;
  operation: string;
  model: string | null;
  refused?: { status: number; message: string; param: string | null } | null;
  route?: {
    choices: {
      asked: string | null;
      strategy: string;
      affinity: string;
      deployments: SeenDeployment[];
      left_out: { provider_id: string; credential: string; reason: string }[];
    }[];
    passed_over: string[];
    num_retries: number;
    retry_after: number;
    hedge: { after: number; share: number } | null;
    is_sticky: boolean;
    attempts: SeenStep[];
  } | null;
  deadlines?: { connect: number; first_token: number; idle: number; total: number | null } | null;
  changes?: string[];
  not_acted_on?: string[];
}

export const PATHS = [
  { value: "/api/chat/completions", label: "Chat completions" },
  { value: "/v1/messages", label: "Messages (Anthropic)" },
  { value: "/v1/responses", label: "Responses (OpenAI)" },
  { value: "/v1/embeddings", label: "Embeddings" },
  { value: "/v1/fim/completions", label: "Fill in the middle (Mistral)" },
] as const;

/** Ask where a request would go, by a draft of the rules where one is given, else by those that hold. */
export async function simulate(request: object, path: string, rules: Rules | null): Promise<Told> {
  const response = await fetch("/api/routing/simulate", {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${await borrowKey()}` },
    body: JSON.stringify({ request, path, ...(rules ? { rules } : {}) }),
  });
  if (!response.ok) {
    throw await refusalOf(response);
  }
  return (await response.json()) as Told;
}
