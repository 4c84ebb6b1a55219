// The figures at the top: each with how it stood in the period before. One is chosen, and drawn below.
import { Card, Group, SimpleGrid, Text, Tooltip, UnstyledButton } from "@mantine/core";
import { $api } from "../../api/client";
import { ASKED, FIGURES, type Metric, type Metrics, type Question } from "./question";

interface Props {
  now: Metrics;
  question: Question;
  chosen: Metric;
  onChoose: (key: Metric["key"]) => void;
}

export function Figures({ now, question: { query }, chosen, onChoose }: Props) {
  const { data } = $api.useQuery("post", "/api/dashboard/llm-metrics/summary", { params: { query }, body: {} }, ASKED);
  return (
    <SimpleGrid cols={{ base: 2, sm: 3, xl: 9 }} spacing="sm">
      {FIGURES.map((metric) => (
        <UnstyledButton key={metric.key} onClick={() => onChoose(metric.key)} aria-pressed={metric.key === chosen.key}>
          <Card withBorder padding="sm" h="100%" className={metric.key === chosen.key ? "current-row" : undefined}>
            <Text size="xs" c="dimmed" lh={1.3}>
              {metric.label}
            </Text>
            <Text fw={650} size="lg" className="numeric">
              {metric.format(now[metric.key])}
            </Text>
            <Change metric={metric} now={now[metric.key]} before={data?.previous_period[metric.key]} />
          </Card>
        </UnstyledButton>
      ))}
    </SimpleGrid>
  );
}

function Change({ metric, now, before }: { metric: Metric; now: number | null; before: number | null | undefined }) {
  if (now == null || before == null || before === 0) {
    return (
      <Text size="xs" c="dimmed">
        {before === 0 && now ? "none before" : " "}
      </Text>
    );
  }
  const share = now / before - 1;
  const same = Math.abs(share) < 0.005;
  const good = metric.less ? share < 0 : share > 0;
  const words = same ? "as before" : `${share > 0 ? "▲" : "▼"} ${Math.abs(share * 100).toFixed(share > 10 ? 0 : 1)} %`;
  return (
    <Tooltip label={`${metric.format(before)} in the period before`}>
      <Group gap={4}>
        <Text size="xs" className={same ? undefined : good ? "better" : "worse"} c={same ? "dimmed" : undefined}>
          {words}
        </Text>
      </Group>
    </Tooltip>
  );
}
