// The request as it was forwarded and the answer as it came, as a tree or as bytes.
import { Group, SegmentedControl, Stack, Text, Title } from "@mantine/core";
import { useState } from "react";
import type { Shapes } from "../../../api/client";
import { Copy } from "../../../parts/Copy";
import { JsonTree } from "../../../parts/JsonTree";
import { bytes } from "../../../parts/words";
import { parsed } from "./conversation";
import styles from "./panel.module.css";

export function Raw({ log }: { log: Shapes["FullLog"] }) {
  const [tree, setTree] = useState(true);
  return (
    <Stack gap="md">
      <SegmentedControl
        size="xs"
        aria-label="How they are shown"
        value={tree ? "tree" : "text"}
        onChange={(value) => setTree(value === "tree")}
        data={[
          { value: "tree", label: "Tree" },
          { value: "text", label: "Text" },
        ]}
        style={{ alignSelf: "flex-start" }}
      />
      <Body title="Request" about="as it was forwarded" value={log.full_request} size={log.request_bytes} tree={tree} />
      <Body title="Response" about="as it came" value={log.full_response} size={log.response_bytes} tree={tree} />
      <Body title="All that is kept of this log" about="" value={log} size={null} tree={tree} open={0} />
    </Stack>
  );
}

interface BodyProps {
  title: string;
  about: string;
  value: unknown;
  size: number | null;
  tree: boolean;
  open?: number;
}

function Body({ title, about, value, size, tree, open = 2 }: BodyProps) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  const kept = value !== null && value !== undefined;
  const read = tree ? eventsIn(value) : value;
  return (
    <section>
      <Group justify="space-between" wrap="nowrap">
        <Title order={3} size="h6">
          {title}{" "}
          <Text span size="xs" c="dimmed" fw={400}>
            {[about, size !== null && bytes(size)].filter(Boolean).join(", ")}
          </Text>
        </Title>
        {kept && <Copy value={text} label={`Copy: ${title}`} />}
      </Group>
      {!kept ? (
        <Text size="sm" c="dimmed">
          Not kept.
        </Text>
      ) : tree && typeof read === "object" ? (
        <div className={styles.aside}>
          <JsonTree value={read} open={open} />
        </div>
      ) : (
        <pre className={styles.raw}>{open === 0 ? text.slice(0, MOST) : text}</pre>
      )}
    </section>
  );
}

const MOST = 200_000;

/** A stream of events as the list of what they say. */
function eventsIn(value: unknown): unknown {
  if (typeof value !== "string" || !/^(event|data|id|:)/.test(value)) {
    return value;
  }
  const said = value.split("\n").flatMap((line) => (line.startsWith("data:") ? [line.slice(5).trim()] : []));
  return said.length ? said.map(parsed) : value;
}
