// What leaves the node by itself: logs as spans. Where to is the operator's to say, outside of here; how it goes is shown.
import { Alert, Badge, Card, Code, Group, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { $api, type Shapes } from "../../api/client";
import { Asked } from "../../parts/Asked";
import { When } from "../../parts/When";
import { count } from "../../parts/words";

type Spans = Shapes["SpansOut"];

const STATES: Record<Spans["state"], { color: string; word: string }> = {
  off: { color: "gray", word: "off" },
  unusable: { color: "red", word: "cannot be used" },
  stopped: { color: "orange", word: "the clerk is not running" },
  waiting: { color: "blue", word: "nothing to send yet" },
  failing: { color: "red", word: "not taken by the receiver" },
  going: { color: "teal", word: "going" },
};

export function Exports() {
  const exports = $api.useQuery("get", "/api/system/exports", {}, { refetchInterval: 5_000, retry: false });
  return (
    <Stack>
      <Asked query={exports}>{({ spans }) => <SpansCard spans={spans} />}</Asked>
      <MetricsCard />
    </Stack>
  );
}

function SpansCard({ spans }: { spans: Spans }) {
  const { color, word } = STATES[spans.state];
  return (
    <Card withBorder padding="md">
      <Stack>
        <Group justify="space-between">
          <Title order={2} size="h4">
            Logs as spans
          </Title>
          <Badge variant="light" color={color}>
            {word}
          </Badge>
        </Group>
        {spans.state === "off" ? <Off /> : <Target spans={spans} />}
      </Stack>
    </Card>
  );
}

function Off() {
  return (
    <Stack gap="xs">
      <Text size="sm">
        Each log can go to a receiver of OpenTelemetry, a collector or a product that speaks OTLP over HTTP, as a span
        with the names of the GenAI conventions. Say where to in <Code>gantry.toml</Code>, and start again:
      </Text>
      <Code block>{'otlp_endpoint = "http://collector:4318"\notlp_content = false'}</Code>
    </Stack>
  );
}

function Target({ spans }: { spans: Spans }) {
  return (
    <>
      {spans.problem && (
        <Alert color="red" icon={<IconAlertTriangle size={16} />} title="Nothing is sent">
          {spans.problem}
        </Alert>
      )}
      {spans.state === "failing" && (
        <Alert color="red" icon={<IconAlertTriangle size={16} />} title="The receiver does not take it">
          {count(spans.failures_in_a_row)} requests failed one after the other. Nothing is lost: it is tried again, up
          to a minute apart, and the clerk's log on stderr has the reason.
        </Alert>
      )}
      <SimpleGrid cols={{ base: 2, md: 4 }}>
        <Fact label="To" wide>
          <Code>{spans.endpoint}</Code>
        </Fact>
        <Fact label="With what was said">{spans.content ? "yes, where a log keeps it" : "no"}</Fact>
        <Fact label="Header fields">{spans.headers?.join(", ") || "none"}</Fact>
        <Fact label="Last taken">
          <When at={spans.last_success_at} />
        </Fact>
        <Fact label="Waiting">{count(spans.lag)}</Fact>
        <Fact label="Exported">{count(spans.exported)}</Fact>
        <Fact label="Failed requests">{count(spans.faults)}</Fact>
        <Fact label="Refused for good">{count(spans.dropped)}</Fact>
      </SimpleGrid>
      <Text size="xs" c="dimmed">
        Set by <Code>otlp_endpoint</Code>, <Code>otlp_content</Code> and <Code>otlp_headers</Code> in gantry.toml or the
        environment, from the next start on. Counts are of this machine.
      </Text>
    </>
  );
}

function MetricsCard() {
  return (
    <Card withBorder padding="md">
      <Stack gap="xs">
        <Title order={2} size="h4">
          Metrics
        </Title>
        <Text size="sm">
          Prometheus scrapes <Code>/metrics</Code> on the gateway's port. Without a key it hears how the machine is;
          with one that may read, also the calls of its organization by model.
        </Text>
      </Stack>
    </Card>
  );
}

function Fact({ label, wide = false, children }: { label: string; wide?: boolean; children: ReactNode }) {
  return (
    <div style={wide ? { gridColumn: "span 2" } : undefined}>
      <Text size="xs" c="dimmed">
        {label}
      </Text>
      <Text size="sm" component="div" style={{ overflowWrap: "anywhere" }}>
        {children}
      </Text>
    </div>
  );
}
