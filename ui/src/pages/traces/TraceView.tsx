// A trace: its spans as a tree, each with a bar where it stood in the whole.
import { Anchor, Badge, Box, Button, Group, Stack, Text, Title, UnstyledButton } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import {
  IconAlertTriangleFilled,
  IconArrowLeft,
  IconChevronDown,
  IconChevronRight,
  IconTrash,
} from "@tabler/icons-react";
import { useMemo, useState } from "react";
import { $api, api, refresh, type Shapes } from "../../api/client";
import { useMay } from "../../api/session";
import { Asked } from "../../parts/Asked";
import { Copy } from "../../parts/Copy";
import { confirm } from "../../parts/confirm";
import { told } from "../../parts/told";
import { compact, count, duration, moment, money } from "../../parts/words";
import styles from "./traces.module.css";

type Trace = Shapes["FullTrace"];
type Span = Shapes["SpanItem"];

interface Props {
  id: string;
  /** The span that is open, by the id of its log. */
  log: string | null;
  onOpen: (log: string) => void;
  onBack: () => void;
}

export function TraceView({ id, log, onOpen, onBack }: Props) {
  const query = $api.useQuery("get", "/api/traces/{trace_id}", {
    params: { path: { trace_id: id }, query: { all_envs: true } },
  });
  const manages = useMay("manage");

  function askToDelete() {
    confirm({
      title: "Delete this trace?",
      body: "All its spans go, with all that was said in them, and do not come back.",
      act: "Delete",
      onConfirm: async () => {
        const params = { path: { trace_id: id }, query: { all_envs: true } };
        if (await told(api.DELETE("/api/traces/{trace_id}", { params }), "The trace is deleted")) {
          await refresh("/api/traces", "/api/request-logs");
          onBack();
        }
      },
    });
  }

  return (
    <Stack gap="sm" h="100%">
      <Group justify="space-between" gap="xs">
        <Anchor component="button" type="button" size="sm" onClick={onBack}>
          <IconArrowLeft size={14} /> All traces
        </Anchor>
        {manages && (
          <Button
            size="compact-xs"
            variant="subtle"
            color="red"
            leftSection={<IconTrash size={14} />}
            onClick={askToDelete}
          >
            Delete
          </Button>
        )}
      </Group>
      <Asked query={query} rows={8}>
        {(trace) => (
          <>
            <Head trace={trace} />
            <Tree trace={trace} log={log} onOpen={onOpen} />
          </>
        )}
      </Asked>
    </Stack>
  );
}

function Head({ trace }: { trace: Trace }) {
  return (
    <div>
      <Group gap={4}>
        <Title order={2} size="h4">
          {trace.name ?? trace.trace_unique_id}
        </Title>
        <Copy value={trace.trace_unique_id} label="Copy the trace's id" />
      </Group>
      <Group gap="2px 14px" fz="xs" className="numeric">
        <Text span inherit c="dimmed">
          {moment(trace.start_time)}
        </Text>
        <span>{duration(trace.duration)}</span>
        <span>
          {count(trace.span_count)} spans, {count(trace.llm_call_count)} of them calls of models
        </span>
        <span>{trace.error_count === 1 ? "1 error" : `${count(trace.error_count)} errors`}</span>
        <span>{compact(trace.total_tokens)} tokens</span>
        <span>{money(trace.total_cost)}</span>
        {trace.customer_identifier && <span>customer {trace.customer_identifier}</span>}
        {trace.environment === "test" && <span>test</span>}
      </Group>
      {trace.shown_span_count < trace.span_count && (
        <Text size="xs" c="dimmed">
          The first {count(trace.shown_span_count)} are shown.
        </Text>
      )}
    </div>
  );
}

interface Row {
  span: Span;
  depth: number;
  last: boolean;
}

function Tree({ trace, log, onOpen }: { trace: Trace; log: string | null; onOpen: (log: string) => void }) {
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const rows = useMemo(() => rowsOf(trace.span_tree, closed), [trace, closed]);
  const began = Date.parse(trace.start_time);
  const whole = Math.max(trace.duration * 1000, 1);
  const at = rows.findIndex(({ span }) => span.id === log);

  function move(step: number) {
    const row = rows[Math.max(0, Math.min(rows.length - 1, at + step))];
    if (row) {
      onOpen(row.span.id);
    }
  }

  function toggle(id: string) {
    setClosed((before) => {
      const after = new Set(before);
      return after.delete(id) ? after : after.add(id);
    });
  }

  useHotkeys([
    ["j", () => move(1)],
    ["k", () => move(-1)],
  ]);
  return (
    <ul className={styles.tree} aria-label="Spans">
      {rows.map(({ span, depth }) => (
        <li key={span.id} className={styles.span} aria-current={span.id === log || undefined}>
          <div className={styles.name} style={{ paddingLeft: Math.min(depth, 24) * 16 }}>
            {span.children.length > 0 ? (
              <UnstyledButton
                className={styles.toggle}
                aria-expanded={!closed.has(span.id)}
                aria-label={`Within ${nameOf(span)}`}
                onClick={() => toggle(span.id)}
              >
                {closed.has(span.id) ? <IconChevronRight size={14} /> : <IconChevronDown size={14} />}
              </UnstyledButton>
            ) : (
              <span className={styles.toggle} />
            )}
            <UnstyledButton className={styles.opener} onClick={() => onOpen(span.id)}>
              {span.status === "error" && (
                <IconAlertTriangleFilled size={13} aria-label="Failed" color="var(--mantine-color-error)" />
              )}
              <Text span size="sm" truncate>
                {nameOf(span)}
              </Text>
              <Badge size="xs" variant="default" tt="none" style={{ flexShrink: 0 }} visibleFrom="sm">
                {span.model && span.span_name ? span.model : span.log_type}
              </Badge>
            </UnstyledButton>
          </div>
          <Bar span={span} began={began} whole={whole} />
          <Text span size="xs" className={`${styles.figure} numeric`}>
            {duration(span.latency)}
          </Text>
          <Text span size="xs" c="dimmed" className={`${styles.figure} numeric`} visibleFrom="sm">
            {span.cost === null ? "" : money(span.cost)}
          </Text>
        </li>
      ))}
    </ul>
  );
}

function Bar({ span, began, whole }: { span: Span; began: number; whole: number }) {
  const start = Math.max(0, Date.parse(span.start_time) - began);
  const took = (span.latency ?? 0) * 1000;
  const part = (time: number) => `${Math.min(100, (100 * time) / whole)}%`;
  const failed = span.status === "error";
  return (
    <Box className={styles.track} aria-hidden>
      <div
        className={styles.bar}
        data-failed={failed || undefined}
        data-call={span.model !== null || undefined}
        style={{ left: part(start), width: `max(2px, ${part(took)})` }}
      />
    </Box>
  );
}

function rowsOf(spans: readonly Span[], closed: ReadonlySet<string>, depth = 0): Row[] {
  return spans.flatMap((span, place) => [
    { span, depth, last: place === spans.length - 1 },
    ...(closed.has(span.id) ? [] : rowsOf(span.children, closed, depth + 1)),
  ]);
}

function nameOf(span: Span): string {
  return span.span_name ?? span.model ?? span.log_type;
}
