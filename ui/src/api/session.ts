// Who is signed in, where, and what they may do.
import { queryOptions, useQuery } from "@tanstack/react-query";
import { changeHeaders, keepToken, queries, Refusal, refusalOf } from "./client";

export interface Organization {
  id: string;
  name: string;
}

export interface Session {
  state: "unclaimed" | "signed_out" | "signed_in";
  sign_up: "open" | "invite" | "closed";
  identity_providers: { id: string; name: string }[];
  person: { id: string; email: string; name: string } | null;
  organization: Organization | null;
  role: "owner" | "admin" | "member" | "viewer" | null;
  scopes: string[];
  organizations: (Organization & { role: string })[];
  csrf: string | null;
  version: string;
}

async function send(method: string, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(path, {
    method,
    headers: { ...(method === "GET" ? {} : changeHeaders()), ...(body ? { "content-type": "application/json" } : {}) },
    body: body ? JSON.stringify(body) : undefined,
  }).catch(() => {
    throw new Refusal(0, "The gateway cannot be reached. Is it running, and are you connected?");
  });
  if (!response.ok) {
    throw await refusalOf(response);
  }
  return response.status === 204 ? null : response.json();
}

export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: async () => {
    const session = (await send("GET", "/api/session")) as Session;
    keepToken(session.csrf);
    return session;
  },
  staleTime: 60_000,
});

/** Do something that begins, changes or ends a session; what was known under the old one is forgotten. */
export async function changeSession(method: "POST" | "PATCH" | "DELETE", path: string, body?: unknown): Promise<void> {
  await send(method, path, body);
  keepToken(null);
  queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== "session" });
  await queries.fetchQuery({ ...sessionQuery, staleTime: 0 });
}

export function useSession(): Session | undefined {
  return useQuery(sessionQuery).data;
}

/** Whether the person may do what takes one of these scopes: `manage`, `team`, `inference`, `read`. */
export function useMay(...scopes: string[]): boolean {
  const session = useSession();
  return scopes.some((scope) => session?.scopes.includes(scope));
}
