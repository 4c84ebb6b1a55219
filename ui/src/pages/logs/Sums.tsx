// What is filtered, in sums: how many, what they cost, how long they took.
import { Group, Skeleton, Text } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import type { Shapes } from "../../api/client";
import { compact, count, duration, money, percent } from "../../parts/words";

export function Sums({ query }: { query: UseQueryResult<Shapes["LogSummary"], unknown> }) {
  if (query.isError) {
    return (
      <Text size="xs" c="dimmed" role="status">
        The sums could not be read: {query.error instanceof Error ? query.error.message : String(query.error)}
      </Text>
    );
  }
  const sums = query.data;
  if (!sums) {
    return <Skeleton height={16} width={420} maw="100%" radius="sm" role="status" aria-label="Summing up" />;
  }
  const { number_of_requests: all, number_of_errors: errors } = sums;
  return (
    <Group gap="2px 16px" role="status" aria-label="Sums of what is shown">
      <Sum value={count(all)} name={all === 1 ? "log" : "logs"} />
      <Sum value={count(errors)} name={`failed${all && errors ? ` (${percent(errors / all)})` : ""}`} />
      <Sum value={money(sums.total_cost)} name="cost" />
      <Sum value={compact(sums.total_tokens)} name="tokens" />
      <Sum value={duration(sums.avg_latency)} name="average latency" />
      <Sum value={duration(sums.avg_ttft)} name="to first token" />
      {sums.number_of_cache_hits > 0 && <Sum value={count(sums.number_of_cache_hits)} name="from the cache" />}
    </Group>
  );
}

function Sum({ value, name }: { value: string; name: string }) {
  return (
    <Text span size="xs" c="dimmed" className="numeric">
      <Text span inherit fw={650} c="var(--mantine-color-text)">
        {value}
      </Text>{" "}
      {name}
    </Text>
  );
}
