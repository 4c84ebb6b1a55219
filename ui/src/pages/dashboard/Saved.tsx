// What caches saved: answers that were given again by ours, and tokens that the providers read from theirs.
import { Card, Group, SimpleGrid, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { $api } from "../../api/client";
import { Asked } from "../../parts/Asked";
import { compact, count, duration, money, percent } from "../../parts/words";
import { ASKED, type Question } from "./question";

export function Saved({ question: { query } }: { question: Question }) {
  const asked = $api.useQuery(
    "post",
    "/api/dashboard/cache-hit-metrics/summary",
    { params: { query }, body: {} },
    ASKED,
  );
  return (
    <Card withBorder padding="md">
      <Group justify="space-between" mb="xs">
        <Text fw={600}>Saved by the response cache</Text>
        <Text size="sm" component={Link} {...({ to: "/caches" } as object)} c="gantry" td="underline">
          Caches
        </Text>
      </Group>
      <Asked query={asked} rows={1}>
        {(saved) => (
          <SimpleGrid cols={{ base: 2, sm: 5 }}>
            <Saving label="Cost" value={money(saved.cache_hit_cost_savings)} />
            <Saving label="Answers given again" value={count(saved.cache_hit_count)} />
            <Saving
              label="Share of calls"
              value={percent(saved.cache_hit_percentage == null ? null : saved.cache_hit_percentage / 100)}
            />
            <Saving label="Tokens" value={compact(saved.cache_hit_tokens)} />
            <Saving label="Time" value={duration(saved.total_time_saved)} />
          </SimpleGrid>
        )}
      </Asked>
    </Card>
  );
}

function Saving({ label, value }: { label: string; value: string }) {
  return (
    <div>
      <Text size="xs" c="dimmed">
        {label}
      </Text>
      <Text fw={600} className="numeric">
        {value}
      </Text>
    </div>
  );
}
