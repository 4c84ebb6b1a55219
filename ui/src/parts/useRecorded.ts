// The log of a call that was just made, as soon as it is there: what it cost is known by then. It is asked for by a list,
// which is empty until then: a path that is not found would be an error in the browser's console.
import { useQuery } from "@tanstack/react-query";
import { api, type Shapes } from "../api/client";

export function useRecorded(id: string | null): Shapes["LogItem"] | undefined {
  const { data } = useQuery({
    queryKey: ["get", "/api/request-logs/list", "recorded", id],
    enabled: id !== null,
    queryFn: async () => {
      const query = { page_size: 1, all_envs: true, exclude: "input,output,prompt_messages,completion_message" };
      const asked = { ...query, ...({ unique_id: id } as object) };
      const { data } = await api.GET("/api/request-logs/list", { params: { query: asked } });
      const found = data?.results[0];
      if (!found) {
        throw new Error("It is not stored yet.");
      }
      return found as Shapes["LogItem"];
    },
    retry: 10,
    retryDelay: 400,
  });
  return data;
}
