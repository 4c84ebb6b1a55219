// The dashboard: what calls came to, in numbers, over time, and told apart; each leads to the logs behind it.
import { Button, Group, SegmentedControl, Select, SimpleGrid, Stack } from "@mantine/core";
import { IconListSearch } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useAddress } from "../../app/router";
import { Asked } from "../../parts/Asked";
import { Nothing } from "../../parts/Nothing";
import { Page } from "../../parts/Page";
import { readRange } from "../../parts/range";
import { TimeRange } from "../../parts/TimeRange";
import { Breakdown } from "./Breakdown";
import { Figures } from "./Figures";
import { Latencies } from "./Latencies";
import { OverTime } from "./OverTime";
import { DIMENSIONS, type Dimension, METRICS, type Metric, readMetric, useMetrics, useQuestion } from "./question";
import { Saved } from "./Saved";

export default function Dashboard() {
  const [search, change] = useAddress();
  const range = readRange(search);
  const question = useQuestion(range, search);
  const metric = readMetric(search.metric);
  const dimension = DIMENSIONS.find(({ value }) => value === search.by)?.value ?? "model";
  const metrics = useMetrics(question);
  const zoom = (start: Date, end: Date) => change({ range: null, from: start.toISOString(), to: end.toISOString() });

  return (
    <Page
      title="Dashboard"
      about="What your calls came to. Draw over a curve to look closer; click a row to see the logs behind it."
      actions={
        <Group gap="xs">
          <SegmentedControl
            size="xs"
            aria-label="Environment"
            data={[
              { value: "prod", label: "Production" },
              { value: "test", label: "Test" },
            ]}
            value={question.environment}
            onChange={(environment) => change({ environment: environment === "prod" ? null : environment })}
          />
          <TimeRange value={range} onChange={change} />
        </Group>
      }
    >
      <Asked query={metrics} rows={6}>
        {({ data, summary }) =>
          summary.number_of_requests === 0 ? (
            <Nothing icon={IconListSearch} title="No calls in this time">
              Choose a longer time, or make a call: the snippets are on{" "}
              <Button component={Link} to="/start" variant="light" size="compact-sm">
                Get started
              </Button>
            </Nothing>
          ) : (
            <Stack gap="lg">
              <Figures
                now={summary}
                question={question}
                chosen={metric}
                onChoose={(key) => change({ metric: key }, true)}
              />
              <OverTime rows={data} metric={metric} question={question} onZoom={zoom} />
              <SimpleGrid cols={{ base: 1, lg: 2 }}>
                <Latencies question={question} what="latency" title="Latency" onZoom={zoom} />
                <Latencies question={question} what="ttft" title="Time to first token" onZoom={zoom} />
              </SimpleGrid>
              <Group gap="xs" justify="space-between">
                <Group gap="xs">
                  <Select
                    size="xs"
                    aria-label="Metric"
                    allowDeselect={false}
                    data={METRICS.map(({ key, label }) => ({ value: key, label }))}
                    value={metric.key}
                    onChange={(key) => change({ metric: key }, true)}
                  />
                  <Select
                    size="xs"
                    aria-label="Told apart by"
                    allowDeselect={false}
                    data={DIMENSIONS.map(({ value, label }) => ({ value, label: `by ${label}` }))}
                    value={dimension}
                    onChange={(by) => change({ by }, true)}
                  />
                </Group>
              </Group>
              <Breakdown question={question} metric={metric as Metric} by={dimension as Dimension} onZoom={zoom} />
              <Saved question={question} />
            </Stack>
          )
        }
      </Asked>
    </Page>
  );
}
