// One log in full: what was said, when what happened, what it cost, as it went over the wire; and what can be done.
import { ActionIcon, Alert, Box, CloseButton, Group, Stack, Tabs, Text, Title, Tooltip } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import { IconChevronDown, IconChevronUp } from "@tabler/icons-react";
import { $api, type Shapes } from "../../../api/client";
import { useMay } from "../../../api/session";
import { useAddress } from "../../../app/router";
import { Asked } from "../../../parts/Asked";
import { count, duration, moment, money } from "../../../parts/words";
import type { Names } from "../columns";
import { Outcome } from "../Outcome";
import { Acts } from "./Acts";
import { Conversation } from "./Conversation";
import { Cost } from "./Cost";
import { Details } from "./Details";
import { Marks } from "./Marks";
import styles from "./panel.module.css";
import { Raw } from "./Raw";
import { Replay } from "./Replay";
import { canReplay } from "./replaying";
import { Timing } from "./Timing";

interface Props {
  id: string;
  names: Names;
  previous?: () => void;
  next?: () => void;
  onClose: () => void;
}

export function LogPanel({ id, names, previous, next, onClose }: Props) {
  const query = $api.useQuery(
    "get",
    "/api/request-logs/{log_id}",
    { params: { path: { log_id: id } } },
    { staleTime: 60_000 },
  );
  useHotkeys([["Escape", (event) => !isElsewhere(event) && onClose(), { preventDefault: false }]]);
  return (
    <>
      <div className={styles.header}>
        <Group justify="space-between" wrap="nowrap" gap={4}>
          <Group gap={2} wrap="nowrap">
            {(previous || next) && (
              <>
                <Tooltip label="Previous (k)">
                  <ActionIcon aria-label="Previous log" disabled={!previous} onClick={previous}>
                    <IconChevronUp size={16} />
                  </ActionIcon>
                </Tooltip>
                <Tooltip label="Next (j)">
                  <ActionIcon aria-label="Next log" disabled={!next} onClick={next}>
                    <IconChevronDown size={16} />
                  </ActionIcon>
                </Tooltip>
              </>
            )}
            <Title order={2} size="h5" ml={6} lineClamp={1}>
              {query.data?.model ?? query.data?.requested_model ?? query.data?.operation ?? "Log"}
            </Title>
          </Group>
          <Group gap={2} wrap="nowrap">
            {query.data && <Acts log={query.data} onDeleted={onClose} />}
            <CloseButton aria-label="Close (Esc)" onClick={onClose} />
          </Group>
        </Group>
        {query.data && <Summary log={query.data} />}
        {query.data && <Sections log={query.data} names={names} />}
      </div>
      <Box className={styles.content}>
        <Asked query={query} rows={8}>
          {(log) => (
            <Stack gap="md">
              <Marks key={log.id} log={log} />
              {log.error_message && (
                <Alert
                  color="red"
                  variant="light"
                  p="xs"
                  title={`${log.outcome.replaceAll("_", " ")} (${log.status_code})`}
                >
                  <Text size="sm" style={{ whiteSpace: "pre-wrap" }}>
                    {log.error_message}
                  </Text>
                </Alert>
              )}
              <Section key={log.id} log={log} names={names} />
            </Stack>
          )}
        </Asked>
      </Box>
    </>
  );
}

type Log = Shapes["FullLog"];

/** What lies above closes first. */
function isElsewhere(event: KeyboardEvent): boolean {
  return (event.target as HTMLElement).closest('[role="dialog"], [role="menu"]') !== null;
}

function Summary({ log }: { log: Log }) {
  return (
    <Group gap="4px 14px" mt={2} fz="xs" className="numeric">
      <Outcome log={log} />
      <Text span inherit c="dimmed">
        {moment(log.start_time)}
      </Text>
      <span>{duration(log.latency)}</span>
      {log.time_to_first_token !== null && log.stream && <span>first token {duration(log.time_to_first_token)}</span>}
      {log.total_request_tokens !== null && <span>{count(log.total_request_tokens)} tokens</span>}
      <span>{log.price_missing ? "no price" : money(log.cost)}</span>
      {log.provider_id && <span>{log.provider_id}</span>}
    </Group>
  );
}

const SECTIONS = ["conversation", "timing", "cost", "raw", "details", "replay"] as const;
type Name = (typeof SECTIONS)[number];
const LABELS: Record<Name, string> = {
  conversation: "Conversation",
  timing: "Timing",
  cost: "Cost",
  raw: "Raw",
  details: "Details",
  replay: "Replay",
};

function useSection(log: Log): [Name, (name: string | null) => void, readonly Name[]] {
  const [{ tab }, change] = useAddress();
  const may = useMay("inference");
  const offered = SECTIONS.filter((name) => name !== "replay" || (may && canReplay(log)));
  const section = offered.find((name) => name === tab) ?? "conversation";
  return [section, (name) => change({ tab: name === "conversation" ? null : name }, true), offered];
}

function Sections({ log }: { log: Log; names: Names }) {
  const [section, choose, offered] = useSection(log);
  return (
    <Tabs value={section} onChange={choose} mt={6} variant="default">
      <Tabs.List style={{ flexWrap: "nowrap", overflowX: "auto", overflowY: "hidden" }}>
        {offered.map((name) => (
          <Tabs.Tab key={name} value={name} px={9} py={7} fz="sm" aria-controls="log-section">
            {LABELS[name]}
          </Tabs.Tab>
        ))}
      </Tabs.List>
    </Tabs>
  );
}

function Section({ log, names }: { log: Log; names: Names }) {
  const [section] = useSection(log);
  return (
    <div id="log-section" role="tabpanel" aria-label={LABELS[section]}>
      {section === "conversation" && <Conversation log={log} />}
      {section === "timing" && <Timing log={log} />}
      {section === "cost" && <Cost log={log} />}
      {section === "raw" && <Raw log={log} />}
      {section === "details" && <Details log={log} names={names} />}
      {section === "replay" && <Replay log={log} />}
    </div>
  );
}
