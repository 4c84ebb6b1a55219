// Step 3: the first call, from a snippet, and its log as soon as it is there.
//
// Law: what is waited for is a log of this key, made since the page was opened; without a key made here, of any.
import { Anchor, Badge, Button, Card, Group, Loader, Stack, Text } from "@mantine/core";
import { IconArrowRight } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { $api, type Shapes } from "../../api/client";
import { Snippets } from "../../parts/Snippets";
import { count, duration, money } from "../../parts/words";
import { Step } from "./Step";
import { useFirstModel } from "./useFirstModel";

type Log = Shapes["LogItem"];

const PAUSE = 2000;

export function CallStep({ keyId, secret }: { keyId: string | null; secret: string | null }) {
  const [since] = useState(() => new Date().toISOString());
  const model = useFirstModel();
  const logs = $api.useQuery(
    "get",
    "/api/request-logs/list",
    {
      params: {
        query: {
          page_size: 1,
          all_envs: true,
          start_time: keyId ? "2020-01-01T00:00:00Z" : since,
          exclude: "input,output,prompt_messages,completion_message",
          ...({ log_method: "inference", ...(keyId ? { organization_key_id: keyId } : {}) } as object),
        },
      },
    },
    { refetchInterval: PAUSE, staleTime: 0 },
  );
  const log = logs.data?.results[0] ?? null;
  return (
    <Step
      number={3}
      title="The first call"
      done={log !== null}
      about={
        secret
          ? "Paste one of these where you work and run it. The key stands in it already."
          : "Paste one of these where you work, put your key in, and run it."
      }
    >
      <Stack gap="md">
        <Snippets secret={secret} model={model} />
        <div aria-live="polite">{log ? <Arrived log={log} /> : <Waiting failed={logs.isError} />}</div>
      </Stack>
    </Step>
  );
}

function Waiting({ failed }: { failed: boolean }) {
  return (
    <Card withBorder padding="md" bg="var(--gantry-surface)">
      <Group gap="sm" wrap="nowrap">
        <Loader size="sm" type="dots" />
        <div>
          <Text fw={600}>{failed ? "The logs cannot be read now; trying again…" : "Waiting for your first call…"}</Text>
          <Text size="sm" c="dimmed">
            It appears here by itself, a second or two after it was answered.
          </Text>
        </div>
      </Group>
    </Card>
  );
}

function Arrived({ log }: { log: Log }) {
  const facts: [string, string][] = [
    ["Model", log.model ?? log.requested_model ?? "–"],
    ["Cost", money(log.cost)],
    ["Latency", duration(log.latency)],
    ["Tokens", count(log.total_request_tokens)],
  ];
  return (
    <Card withBorder padding="md" bg="var(--gantry-surface)">
      <Group justify="space-between" gap="md">
        <Stack gap={4}>
          <Group gap="xs">
            <Text fw={600}>{log.failed ? "Your call is here, and it failed" : "Your first call is here"}</Text>
            <Badge color={log.failed ? "red" : "teal"} variant="light">
              {log.status_code}
            </Badge>
          </Group>
          {log.failed && log.error_message && <Text size="sm">{log.error_message}</Text>}
          <Group gap="lg">
            {facts.map(([name, value]) => (
              <div key={name}>
                <Text size="xs" c="dimmed">
                  {name}
                </Text>
                <Text size="sm" className="numeric">
                  {value}
                </Text>
              </div>
            ))}
          </Group>
        </Stack>
        <Stack gap={4} align="flex-start">
          <Button
            component={Link}
            {...({ to: "/logs", search: { log: log.id } } as object)}
            rightSection={<IconArrowRight size={16} />}
          >
            Open its log
          </Button>
          <Anchor component={Link} to="/dashboard" size="sm">
            See the dashboard
          </Anchor>
        </Stack>
      </Group>
    </Card>
  );
}
