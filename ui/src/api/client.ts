// The management API, typed by what the console says of itself (/api/openapi.json → schema.d.ts).
//
// Law: every answer from 400 on is thrown as a Refusal, in the API's own words. The token against forged requests comes
// with the session and is sent with every change.
import { QueryClient } from "@tanstack/react-query";
import createFetchClient, { type Middleware } from "openapi-fetch";
import createQueryClient from "openapi-react-query";
import type { components, paths } from "./schema";

export type Shapes = components["schemas"];

export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly param: string | null = null,
    readonly errors: Record<string, string[]> = {},
  ) {
    super(message);
  }
}

let csrf = "";

export function keepToken(token: string | null | undefined): void {
  csrf = token ?? "";
}

export function changeHeaders(): Record<string, string> {
  return { "x-gantry-csrf": csrf };
}

export async function refusalOf(response: Response): Promise<Refusal> {
  const text = await response.text();
  try {
    // The gateway itself answers as OpenAI does, with an `error`.
    const body = JSON.parse(text) as Partial<Shapes["Failure"]> & {
      error?: { message?: string; param?: string | null };
    };
    const { message, param } = body.error ?? {};
    return new Refusal(response.status, body.detail ?? message ?? text, body.param ?? param ?? null, body.errors ?? {});
  } catch {
    return new Refusal(response.status, text || `The gateway answered with status ${response.status}.`);
  }
}

const guard: Middleware = {
  onRequest({ request }) {
    if (!["GET", "HEAD"].includes(request.method)) {
      request.headers.set("x-gantry-csrf", csrf);
    }
    return request;
  },
  async onResponse({ response }) {
    if (!response.ok) {
      throw await refusalOf(response);
    }
    return response;
  },
  onError() {
    return new Refusal(0, "The gateway cannot be reached. Is it running, and are you connected?");
  },
};

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      retry: (count, error) => count < 2 && !(error instanceof Refusal && error.status >= 400 && error.status < 500),
    },
  },
});

export const api = createFetchClient<paths>({ baseUrl: "/" });
api.use(guard);

/** Hooks: `$api.useQuery("get", "/api/limits")`, `$api.useMutation("post", "/api/limits")`. */
export const $api = createQueryClient(api);

/** Forget what a change has made stale: every query of these paths. */
export function refresh(...prefixes: string[]): Promise<void> {
  return queries.invalidateQueries({
    predicate: ({ queryKey }) => prefixes.some((prefix) => String(queryKey[1]).startsWith(prefix)),
  });
}
