// A thread: what was said in it, in turn. A call sends again what was said before; that is shown once.
import { Anchor, Button, Group, Stack, Text, Title, UnstyledButton } from "@mantine/core";
import { IconArrowLeft } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { api, type Shapes } from "../../api/client";
import { Copy } from "../../parts/Copy";
import { Failed } from "../../parts/Failed";
import { compact, count, duration, moment, money } from "../../parts/words";
import { Loading } from "../logs/Loading";
import { Outcome } from "../logs/Outcome";
import { Turns } from "../logs/panel/Conversation";
import { type Turn, turnsOf } from "../logs/panel/conversation";
import { placeIn } from "../logs/useLogs";
import { wordsIn } from "./lastWords";
import styles from "./traces.module.css";

type Log = Shapes["LogItem"];

interface Props {
  id: string;
  log: string | null;
  onOpen: (log: string) => void;
  onBack: () => void;
}

export function ThreadView({ id, log, onOpen, onBack }: Props) {
  const found = useInfiniteQuery({
    queryKey: ["get", "/api/log_threads/{thread_identifier}", id],
    queryFn: async ({ pageParam }) => {
      const query = { all_envs: true, page_size: 50, ...pageParam };
      const { data } = await api.GET("/api/log_threads/{thread_identifier}", {
        params: { path: { thread_identifier: id }, query: query as never },
      });
      return data as Shapes["FullThread"];
    },
    initialPageParam: {} as Record<string, string>,
    getNextPageParam: (page) => (page.next ? placeIn(page.next) : undefined),
  });
  const thread = found.data?.pages[0];
  const logs = found.data?.pages.flatMap((page) => page.results) ?? [];
  return (
    <Stack gap="sm">
      <Anchor component="button" type="button" size="sm" onClick={onBack} style={{ alignSelf: "flex-start" }}>
        <IconArrowLeft size={14} /> All threads
      </Anchor>
      {found.isError && <Failed error={found.error} retry={() => found.refetch()} />}
      {found.isPending && <Loading />}
      {thread && (
        <div>
          <Group gap={4}>
            <Title order={2} size="h4">
              {thread.thread_identifier}
            </Title>
            <Copy value={thread.thread_identifier} label="Copy the thread's name" />
          </Group>
          <Group gap="2px 14px" fz="xs" className="numeric">
            <span>{thread.log_count === 1 ? "1 call" : `${count(thread.log_count)} calls`}</span>
            <span>{compact(thread.total_tokens)} tokens</span>
            <span>{money(thread.total_cost)}</span>
            {thread.customer_identifier && <span>customer {thread.customer_identifier}</span>}
          </Group>
        </div>
      )}
      {inTurn(logs).map(({ item, asked, answered }) => (
        <section key={item.id} className={styles.call} aria-current={item.id === log || undefined}>
          <Group justify="space-between" gap="xs" mb={6}>
            <UnstyledButton onClick={() => onOpen(item.id)} className={styles.opener} style={{ flexBasis: 260 }}>
              <Text span size="xs" td="underline">
                {moment(item.start_time)}
              </Text>
              <Text span size="xs" c="dimmed">
                {item.model ?? item.requested_model ?? item.operation}
              </Text>
            </UnstyledButton>
            <Group gap="sm" fz="xs" className="numeric">
              <Outcome log={item} />
              <span>{duration(item.latency)}</span>
              <span>{money(item.cost)}</span>
            </Group>
          </Group>
          <Stack gap={6}>
            <Turns turns={asked} />
            <Turns turns={answered} answer />
            {item.error_message && (
              <Text size="sm" c="var(--mantine-color-error)">
                {item.error_message}
              </Text>
            )}
          </Stack>
        </section>
      ))}
      {found.hasNextPage && (
        <Button variant="default" size="xs" loading={found.isFetchingNextPage} onClick={() => found.fetchNextPage()}>
          More
        </Button>
      )}
    </Stack>
  );
}

interface Call {
  item: Log;
  asked: Turn[];
  answered: Turn[];
}

/** The calls of a thread with what each added to what was said before it. */
function inTurn(logs: readonly Log[]): Call[] {
  let before: string[] = [];
  return logs.map((item) => {
    const { asked, answered } = turnsOf(item);
    const said = asked.map(signOf);
    let same = 0;
    while (same < said.length && said[same] === before[same]) {
      same += 1;
    }
    before = [...said, ...answered.map(signOf)];
    return { item, asked: asked.slice(same), answered };
  });
}

function signOf(turn: Turn): string {
  return `${turn.role} ${wordsIn(turn)}`;
}
