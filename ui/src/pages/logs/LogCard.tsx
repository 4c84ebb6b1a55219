// A log on a phone: what a row says, in three lines.
import { Group, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { count, duration, money } from "../../parts/words";
import { Outcome } from "./Outcome";
import type { Line } from "./useLogs";

export function LogCard({ line, opener }: { line: Line; opener: ReactNode }) {
  return (
    <>
      <Group justify="space-between" wrap="nowrap" gap="xs">
        <Text span size="sm" fw={600} truncate>
          {line.model ?? line.requested_model ?? line.operation}
        </Text>
        <Text span size="sm" style={{ flexShrink: 0 }}>
          <Outcome log={line} />
        </Text>
      </Group>
      <Text size="sm" truncate mt={2}>
        {line.input_preview || line.error_message || "–"}
      </Text>
      <Group justify="space-between" wrap="nowrap" gap="xs" mt={2}>
        <Text span size="xs" c="dimmed">
          {opener}
        </Text>
        <Text span size="xs" c="dimmed" className="numeric">
          {duration(line.latency)} · {count(line.total_request_tokens)} tokens · {money(line.cost)}
        </Text>
      </Group>
    </>
  );
}
