// Models to choose from: chats of the providers that are connected.
import { useQuery } from "@tanstack/react-query";
import { $api, api } from "../api/client";

export function useModels(): string[] {
  const credentials = $api.useQuery("get", "/api/credentials", {}, { staleTime: 300_000, retry: false });
  const connected = [...new Set(credentials.data?.map(({ provider_id }) => provider_id))];
  const { data } = useQuery({
    queryKey: ["post", "/api/models/list", "to call", connected],
    enabled: connected.length > 0,
    queryFn: async () => {
      const filters = { provider: { operator: "in", value: connected }, model_type: "chat", is_deprecated: false };
      const { data } = await api.POST("/api/models/list", {
        params: { query: { page_size: 1000 } },
        body: { filters: filters as never, search: "", is_exporting: false },
      });
      return (
        data?.results.map(({ provider, model_name }) =>
          provider ? `${provider.provider_id}/${model_name}` : model_name,
        ) ?? []
      );
    },
    staleTime: 300_000,
  });
  return data ?? [];
}
