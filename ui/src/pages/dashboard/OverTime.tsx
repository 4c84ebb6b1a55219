// The chosen metric over time, with its errors where it counts requests.
import { Card, Group, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { Chart, type Curve } from "../../parts/Chart";
import { logsOf, type Metric, type MetricsRow, type Question } from "./question";

interface Props {
  rows: readonly MetricsRow[];
  metric: Metric;
  question: Question;
  onZoom: (start: Date, end: Date) => void;
}

export function OverTime({ rows, metric, question, onZoom }: Props) {
  const times = useMemo(() => rows.map(({ date_group }) => date_group), [rows]);
  const curves = useMemo<Curve[]>(() => {
    const main = { label: metric.label, values: rows.map((row) => row[metric.key]), filled: !metric.average };
    return metric.key === "number_of_requests"
      ? [main, { label: "Errors", values: rows.map((row) => row.error_count) }]
      : [main];
  }, [rows, metric]);
  return (
    <Card withBorder padding="md">
      <Group justify="space-between" mb="xs">
        <Text fw={600}>{metric.label} over time</Text>
        <Text
          size="sm"
          component={Link}
          {...({ to: "/logs", search: logsOf(question) } as object)}
          c="gantry"
          td="underline"
        >
          Logs of this time
        </Text>
      </Group>
      <Chart label={`${metric.label} over time`} times={times} curves={curves} format={metric.format} onZoom={onZoom} />
    </Card>
  );
}
