// Threads, those with the newest log first.
import { Code, Text } from "@mantine/core";
import { IconMessages } from "@tabler/icons-react";
import type { Shapes } from "../../api/client";
import { CodeBlock } from "../../parts/Copy";
import { type Column, DataTable } from "../../parts/DataTable";
import { Nothing } from "../../parts/Nothing";
import { When } from "../../parts/When";
import { compact, count, money } from "../../parts/words";
import type { Asked } from "../logs/useLogs";
import { Groups } from "./Groups";
import { lastWords } from "./lastWords";

type Thread = Shapes["ThreadItem"];

const COLUMNS: Column<Thread>[] = [
  { key: "end", head: "Last", cell: (thread) => <When at={thread.end_time} /> },
  {
    key: "id",
    head: "Thread",
    cell: (thread) => (
      <Text span size="sm" fw={550} lineClamp={1}>
        {thread.thread_identifier}
      </Text>
    ),
  },
  {
    key: "said",
    head: "Said last",
    cell: (thread) => (
      <Text span size="sm" c="dimmed" lineClamp={1} maw={360}>
        {lastWords(thread.input) || "–"}
      </Text>
    ),
  },
  { key: "logs", head: "Calls", numeric: true, cell: (thread) => count(thread.log_count) },
  { key: "errors", head: "Errors", numeric: true, cell: (thread) => count(thread.error_count) },
  { key: "tokens", head: "Tokens", numeric: true, cell: (thread) => compact(thread.total_tokens) },
  { key: "cost", head: "Cost", numeric: true, cell: (thread) => money(thread.total_cost) },
  { key: "model", head: "Model", cell: (thread) => thread.model ?? "–" },
  { key: "customer", head: "Customer", cell: (thread) => thread.customer_identifier ?? "–" },
];

export function ThreadList({ asked, onOpen }: { asked: Asked; onOpen: (id: string) => void }) {
  return (
    <Groups path="/api/log_threads" asked={asked} what="thread">
      {(threads) => (
        <DataTable
          label="Threads"
          rows={threads}
          columns={COLUMNS}
          rowKey={(thread) => thread.thread_identifier}
          onOpen={(thread) => onOpen(thread.thread_identifier)}
          empty={<NoThreads />}
        />
      )}
    </Groups>
  );
}

function NoThreads() {
  return (
    <Nothing icon={IconMessages} title="No threads in this time">
      <Text size="sm" mb="sm">
        Calls with the same <Code>thread_identifier</Code> are a thread: a conversation, in turn. Look at a longer time,
        or name one in your calls:
      </Text>
      <CodeBlock
        code={`{
  "model": "mistral/mistral-small-latest",
  "messages": [{"role": "user", "content": "Hello!"}],
  "thread_identifier": "conversation-42"
}`}
      />
    </Nothing>
  );
}
