// The pages of a question, one after the other as they are scrolled to, and its sums.
//
// Law: a list asks for lines, never for what was said in full; that is asked for one log at a time.
import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { api, queries, type Shapes } from "../../api/client";
import { filtersOf, parametersOf, type Question } from "./question";

export type Line = Omit<
  Shapes["LogItem"],
  "input" | "output" | "prompt_messages" | "completion_message" | "units" | "cost_by_unit" | "changes" | "scores"
>;

const LEFT_OUT =
  "input,output,prompt_messages,completion_message,units,cost_by_unit,changes,scores,properties,cache_key,tools";
export const LINES = { exclude: LEFT_OUT, include_fields: "input_preview,output_preview" };
const PAGE = 100;

/** A question at a moment: asking it again is another one. */
export interface Asked {
  parameters: Record<string, string>;
  filters: Record<string, unknown>;
}

export function useAsked(question: Question, now: number): Asked {
  const told = JSON.stringify(question);
  return useMemo(() => {
    const read = JSON.parse(told) as Question;
    return { parameters: parametersOf(read, now), filters: filtersOf(read.terms) };
  }, [told, now]);
}

export async function readLines(asked: Asked, more: Record<string, unknown>) {
  const query = { ...asked.parameters, ...LINES, ...more };
  const { data } = await api.POST("/api/request-logs/list", {
    params: { query: query as never },
    body: { filters: asked.filters } as never,
  });
  return data as unknown as Omit<Shapes["LogList"], "results"> & { results: Line[] };
}

export function useLogs(asked: Asked) {
  return useInfiniteQuery({
    queryKey: ["post", "/api/request-logs/list", asked],
    queryFn: ({ pageParam }) => readLines(asked, { page_size: PAGE, ...pageParam }),
    initialPageParam: {} as Record<string, string>,
    getNextPageParam: (page) => (page.next ? placeIn(page.next) : undefined),
    placeholderData: keepPreviousData,
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** Where a link to another page leads: its mark, and its number as people count. */
export function placeIn(link: string): Record<string, string> {
  const given = new URL(link, window.location.origin).searchParams;
  return { page: given.get("page") ?? "1", cursor: given.get("cursor") ?? "" };
}

export function useSums(asked: Asked, again: number | false) {
  return useQuery({
    queryKey: ["post", "/api/request-logs/summary", asked],
    queryFn: async () => {
      const { sort_by: _, ...query } = asked.parameters;
      const { data } = await api.POST("/api/request-logs/summary", {
        params: { query: query as never },
        body: { filters: asked.filters } as never,
      });
      return data as Shapes["LogSummary"];
    },
    placeholderData: keepPreviousData,
    refetchInterval: again,
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** The fields to filter by, with the values that are known of them in the range. */
export function useFields(asked: Asked) {
  const { start_time, end_time, all_envs, environment } = asked.parameters;
  const known = { start_time: wholeHour(start_time), end_time, all_envs, environment };
  return useQuery({
    queryKey: ["get", "/api/request-logs/list", "fields", known],
    queryFn: async () => {
      const query = { ...known, fetch_filters: true, page_size: 1, ...LINES } as never;
      const { data } = await api.GET("/api/request-logs/list", { params: { query } });
      return data?.filters_data ?? {};
    },
    staleTime: 60_000,
  });
}

/** The hour that a time is in: values are known by the hour, and asked for again no more often. */
function wholeHour(time: string | undefined): string | undefined {
  return time && `${time.slice(0, 13)}:00:00Z`;
}

/** Show a change of one log in all lists that have it, without asking for them again. */
export function changeLine(id: string, change: Partial<Line> | null): void {
  queries.setQueriesData<{ pages: { results: Line[] }[] }>(
    { predicate: ({ queryKey }) => queryKey[0] === "post" && queryKey[1] === "/api/request-logs/list" },
    (lists) =>
      lists && {
        ...lists,
        pages: lists.pages.map((page) => ({
          ...page,
          results: page.results.flatMap((line) =>
            line.id !== id ? [line] : change === null ? [] : [{ ...line, ...change }],
          ),
        })),
      },
  );
}
