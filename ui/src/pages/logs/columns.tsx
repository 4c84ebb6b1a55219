// What a list of logs shows of each, and which of it a person chose to see (kept in their browser).
import { Group, Text } from "@mantine/core";
import { useLocalStorage } from "@mantine/hooks";
import { IconPinFilled, IconThumbDownFilled, IconThumbUpFilled } from "@tabler/icons-react";
import { type ReactNode, useMemo } from "react";
import { compact, count, duration, moment, money } from "../../parts/words";
import styles from "./logs.module.css";
import { Outcome } from "./Outcome";
import type { Line } from "./useLogs";

export interface LogColumn {
  key: string;
  head: string;
  /** In pixels; a column that grows takes what is left, from its width on. */
  width: number;
  grows?: boolean;
  right?: boolean;
  /** The API's name to sort by. */
  sort?: string;
  cell: (line: Line, names: Names) => ReactNode;
}

/** What ids stand for. */
export type Names = (field: string, value: string) => string;

const clock = new Intl.DateTimeFormat("en-GB", {
  month: "short",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});

export const TIME: LogColumn = {
  key: "time",
  head: "Time",
  width: 138,
  sort: "id",
  cell: (line) => (
    <span className="numeric" title={moment(line.start_time)}>
      {clock.format(new Date(line.start_time)).replace(",", "")}
    </span>
  ),
};

export const COLUMNS: readonly LogColumn[] = [
  TIME,
  { key: "outcome", head: "Outcome", width: 108, cell: (line) => <Outcome log={line} /> },
  {
    key: "model",
    head: "Model",
    width: 168,
    sort: "model",
    cell: (line) => <span title={line.requested_model ?? undefined}>{line.model ?? line.requested_model ?? "–"}</span>,
  },
  {
    key: "input",
    head: "Input",
    width: 180,
    grows: true,
    cell: (line) => <Said log={line} />,
  },
  {
    key: "output",
    head: "Output",
    width: 220,
    grows: true,
    cell: (line) => (
      <span className={line.failed ? styles.failed : styles.unknown}>
        {line.output_preview ?? line.error_message ?? "–"}
      </span>
    ),
  },
  {
    key: "latency",
    head: "Latency",
    width: 80,
    right: true,
    sort: "latency",
    cell: (line) => duration(line.latency),
  },
  {
    key: "ttft",
    head: "TTFT",
    width: 76,
    right: true,
    sort: "time_to_first_token",
    cell: (line) => duration(line.time_to_first_token),
  },
  {
    key: "tokens",
    head: "Tokens",
    width: 100,
    right: true,
    sort: "total_tokens",
    cell: (line) =>
      line.prompt_tokens == null && line.completion_tokens == null ? (
        "–"
      ) : (
        <span title={`${count(line.prompt_tokens)} in, ${count(line.completion_tokens)} out`}>
          {compact(line.prompt_tokens)} → {compact(line.completion_tokens)}
        </span>
      ),
  },
  { key: "cost", head: "Cost", width: 100, right: true, sort: "cost", cell: (line) => <Cost line={line} /> },
  {
    key: "key",
    head: "Key",
    width: 92,
    cell: (line, names) =>
      line.organization_key_id ? names("organization_key_id", line.organization_key_id) : <Unknown />,
  },
  {
    key: "customer",
    head: "Customer",
    width: 104,
    cell: (line) => line.customer_name ?? line.customer_identifier ?? <Unknown />,
  },
  { key: "provider", head: "Provider", width: 110, cell: (line) => line.provider_id ?? <Unknown /> },
  { key: "credential", head: "Credential", width: 120, cell: (line) => line.deployment_name ?? <Unknown /> },
  { key: "operation", head: "Operation", width: 110, cell: (line) => line.operation },
  { key: "status", head: "Status", width: 74, right: true, sort: "status_code", cell: (line) => line.status_code },
  {
    key: "speed",
    head: "Tokens/s",
    width: 92,
    right: true,
    sort: "tokens_per_second",
    cell: (line) => compact(line.tokens_per_second),
  },
  { key: "environment", head: "Environment", width: 110, cell: (line) => line.environment },
  { key: "thread", head: "Thread", width: 130, cell: (line) => line.thread_identifier ?? <Unknown /> },
  { key: "trace", head: "Trace", width: 130, cell: (line) => line.trace_unique_id ?? <Unknown /> },
  { key: "span", head: "Span", width: 130, cell: (line) => line.span_name ?? <Unknown /> },
  { key: "finish", head: "Finish reason", width: 120, cell: (line) => line.finish_reason ?? <Unknown /> },
  {
    key: "metadata",
    head: "Metadata",
    width: 200,
    cell: (line) => (line.metadata ? JSON.stringify(line.metadata) : <Unknown />),
  },
  { key: "marks", head: "Marks", width: 84, cell: (line) => <Marks line={line} /> },
  { key: "id", head: "Id", width: 270, cell: (line) => <code>{line.id}</code> },
];

const USUAL = ["outcome", "model", "input", "latency", "ttft", "tokens", "cost", "key", "customer"];

export function useColumns(): [LogColumn[], (keys: string[]) => void] {
  const [keys, setKeys] = useLocalStorage<string[]>({
    key: "gantry-log-columns",
    defaultValue: USUAL,
    getInitialValueInEffect: false,
  });
  const chosen = useMemo(() => COLUMNS.filter(({ key }) => key === TIME.key || keys.includes(key)), [keys]);
  return [chosen, setKeys];
}

export { USUAL };

export function Unknown() {
  return <span className={styles.unknown}>–</span>;
}

function Said({ log }: { log: Line }) {
  return (
    <span>
      {log.is_pinned && <IconPinFilled size={12} aria-label="Pinned" />}
      {log.input_preview || <span className={styles.unknown}>{log.input_preview === "" ? "(empty)" : "–"}</span>}
    </span>
  );
}

function Cost({ line }: { line: Line }) {
  if (line.price_missing) {
    return (
      <span className={styles.failed} title="The usage is known, and its price is not">
        no price
      </span>
    );
  }
  return <span>{line.cache_hit && line.cost === 0 ? "cached" : money(line.cost)}</span>;
}

function Marks({ line }: { line: Line }) {
  return (
    <Group gap={4} wrap="nowrap">
      {line.is_pinned && <IconPinFilled size={14} aria-label="Pinned" />}
      {line.positive_feedback === true && <IconThumbUpFilled size={14} aria-label="Good" />}
      {line.positive_feedback === false && <IconThumbDownFilled size={14} aria-label="Bad" />}
      {line.note && (
        <Text span size="xs" truncate title={line.note}>
          {line.note}
        </Text>
      )}
    </Group>
  );
}
