// What ids stand for: the names of API keys, where the person may see those.
import { useCallback } from "react";
import { $api } from "../../api/client";
import type { Names } from "./columns";

export function useNames(): Names {
  const { data } = $api.useQuery(
    "get",
    "/api/api-keys",
    { params: { query: { page_size: 1000, revoked: true } as never } },
    { retry: false, staleTime: 60_000 },
  );
  return useCallback(
    (field, value) => {
      const key = field === "organization_key_id" ? data?.results.find(({ id }) => id === value) : undefined;
      return key?.name ?? value;
    },
    [data],
  );
}
