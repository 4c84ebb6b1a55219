// Pages of traces or of threads, the newest first.
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { api, type Shapes } from "../../api/client";
import { type Asked, placeIn } from "../logs/useLogs";

export type Path = "/api/traces/list" | "/api/log_threads";
export type Item<P extends Path> = P extends "/api/traces/list" ? Shapes["TraceItem"] : Shapes["ThreadItem"];

interface Found<P extends Path> {
  count: number;
  count_is_exact: boolean;
  next: string | null;
  results: Item<P>[];
}

export function useGroups<P extends Path>(path: P, asked: Asked) {
  return useInfiniteQuery({
    queryKey: ["post", path, asked],
    queryFn: async ({ pageParam }) => {
      const { sort_by: _, ...parameters } = asked.parameters;
      const query = { ...parameters, page_size: 50, ...pageParam };
      const { data } = await api.POST(path as "/api/log_threads", {
        params: { query: query as never },
        body: { filters: asked.filters } as never,
      });
      return data as unknown as Found<P>;
    },
    initialPageParam: {} as Record<string, string>,
    getNextPageParam: (page) => (page.next ? placeIn(page.next) : undefined),
    placeholderData: keepPreviousData,
    staleTime: Number.POSITIVE_INFINITY,
  });
}
