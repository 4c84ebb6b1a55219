// Traces, the newest first.
import { Badge, Code, Group, Text } from "@mantine/core";
import { IconHierarchy2 } from "@tabler/icons-react";
import type { Shapes } from "../../api/client";
import { CodeBlock } from "../../parts/Copy";
import { type Column, DataTable } from "../../parts/DataTable";
import { Nothing } from "../../parts/Nothing";
import { When } from "../../parts/When";
import { compact, count, duration, money } from "../../parts/words";
import type { Asked } from "../logs/useLogs";
import { Groups } from "./Groups";
import { lastWords } from "./lastWords";

type Trace = Shapes["TraceItem"];

const COLUMNS: Column<Trace>[] = [
  { key: "start", head: "Began", cell: (trace) => <When at={trace.start_time} /> },
  {
    key: "name",
    head: "Name",
    cell: (trace) => (
      <Group gap={6} wrap="nowrap">
        <Text span size="sm" fw={550} lineClamp={1}>
          {trace.name ?? trace.model ?? trace.trace_unique_id}
        </Text>
        <Badge size="xs" variant="default" tt="none" style={{ flexShrink: 0 }}>
          {trace.log_type}
        </Badge>
      </Group>
    ),
  },
  {
    key: "input",
    head: "Input",
    cell: (trace) => (
      <Text span size="sm" c="dimmed" lineClamp={1} maw={320}>
        {lastWords(trace.input) || "–"}
      </Text>
    ),
  },
  { key: "duration", head: "Duration", numeric: true, cell: (trace) => duration(trace.duration) },
  { key: "spans", head: "Spans", numeric: true, cell: (trace) => count(trace.span_count) },
  {
    key: "errors",
    head: "Errors",
    numeric: true,
    cell: (trace) =>
      trace.error_count ? (
        <Text span size="sm" fw={650} c="var(--mantine-color-error)">
          {count(trace.error_count)}
        </Text>
      ) : (
        "0"
      ),
  },
  { key: "tokens", head: "Tokens", numeric: true, cell: (trace) => compact(trace.total_tokens) },
  { key: "cost", head: "Cost", numeric: true, cell: (trace) => money(trace.total_cost) },
  { key: "customer", head: "Customer", cell: (trace) => trace.customer_identifier ?? "–" },
];

export function TraceList({ asked, onOpen }: { asked: Asked; onOpen: (id: string) => void }) {
  return (
    <Groups path="/api/traces/list" asked={asked} what="trace">
      {(traces) => (
        <DataTable
          label="Traces"
          rows={traces}
          columns={COLUMNS}
          rowKey={(trace) => trace.id}
          onOpen={(trace) => onOpen(trace.trace_unique_id)}
          empty={<NoTraces />}
        />
      )}
    </Groups>
  );
}

function NoTraces() {
  return (
    <Nothing icon={IconHierarchy2} title="No traces in this time">
      <Text size="sm" mb="sm">
        Calls with the same <Code>trace_unique_id</Code> are a trace, and so are the spans that an OpenTelemetry
        exporter sends here. Look at a longer time, or send some:
      </Text>
      <CodeBlock
        code={`export OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=${window.location.origin}/api/v2/traces
export OTEL_EXPORTER_OTLP_TRACES_HEADERS="Authorization=Bearer%20$GANTRY_API_KEY"`}
      />
    </Nothing>
  );
}
