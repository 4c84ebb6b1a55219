// Quantiles over time: the half, and the slowest tenth, twentieth and hundredth.
import { Card, Group, Text } from "@mantine/core";
import { useMemo } from "react";
import { $api } from "../../api/client";
import { Asked } from "../../parts/Asked";
import { Chart } from "../../parts/Chart";
import { duration } from "../../parts/words";
import { ASKED, type Question } from "./question";

interface Props {
  question: Question;
  what: "latency" | "ttft";
  title: string;
  onZoom: (start: Date, end: Date) => void;
}

const QUANTILES = [50, 90, 95, 99] as const;

export function Latencies({ question: { query }, what, title, onZoom }: Props) {
  const asked = $api.useQuery("post", "/api/dashboard/quantiles", { params: { query }, body: {} }, ASKED);
  const whole = $api.useQuery("post", "/api/dashboard/quantiles/summary", { params: { query }, body: {} }, ASKED);
  const rows = asked.data?.data;
  const times = useMemo(() => rows?.map(({ date_group }) => date_group) ?? [], [rows]);
  const curves = useMemo(
    () => QUANTILES.map((at) => ({ label: `p${at}`, values: rows?.map((row) => row[`${what}_p_${at}`]) ?? [] })),
    [rows, what],
  );
  return (
    <Card withBorder padding="md">
      <Group justify="space-between" mb="xs" gap="xs">
        <Text fw={600}>{title}</Text>
        <Text size="xs" c="dimmed" className="numeric">
          {QUANTILES.map((at) => `p${at} ${duration(whole.data?.[`${what}_p_${at}`])}`).join(" · ")}
        </Text>
      </Group>
      <Asked query={asked}>
        {() => (
          <Chart
            label={`${title} over time`}
            times={times}
            curves={curves}
            format={duration}
            height={180}
            onZoom={onZoom}
          />
        )}
      </Asked>
    </Card>
  );
}
