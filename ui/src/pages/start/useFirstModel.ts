// The model that a first call is made to: the documentation's where its provider is connected, else a cheap one that can
// be called.
import { useQuery } from "@tanstack/react-query";
import { $api, api } from "../../api/client";

const DOCUMENTED = "mistral";

export function useFirstModel(): string | null {
  const credentials = $api.useQuery("get", "/api/credentials");
  const connected = [...new Set(credentials.data?.map(({ provider_id }) => provider_id))];
  const asked = connected.length > 0 && !connected.includes(DOCUMENTED);
  const found = useQuery({
    queryKey: ["post", "/api/models/list", "first", connected],
    enabled: asked,
    queryFn: async () => {
      const filters = {
        provider: { operator: "in", value: connected },
        model_type: "chat",
        is_deprecated: false,
        function_call: 1,
        input_cost: { operator: "gt", value: 0 },
      };
      const { data } = await api.POST("/api/models/list", {
        params: { query: { page_size: 1, sort_by: "input_cost" } },
        body: { filters: filters as never, search: "", is_exporting: false },
      });
      return data?.results[0]?.model_name ?? null;
    },
  });
  return asked ? (found.data ?? null) : null;
}
