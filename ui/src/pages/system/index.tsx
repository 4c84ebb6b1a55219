// How the gateway itself is: its processes, how far behind the clerk is, the journal, the snapshot, versions.
import { Alert, Badge, Card, Group, SimpleGrid, Table, Text } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { $api, type Shapes } from "../../api/client";
import { useMay } from "../../api/session";
import { Asked } from "../../parts/Asked";
import { type Column, DataTable } from "../../parts/DataTable";
import { Page } from "../../parts/Page";
import { bytes, count, duration } from "../../parts/words";

type Details = Shapes["SystemDetails"];
type Process = Details["node"]["supervisor"] & {
  role: string;
  requests?: number;
  in_flight?: number;
  connections?: number;
};

// What the journal does while the clerk is behind: see docs/operations.md.
const LEVELS: Record<string, string> = {
  normal: "keeps everything",
  no_bodies: "keeps no bodies: the clerk is far behind",
  money_only: "keeps usage and cost alone: the clerk is very far behind",
  full: "is full",
};

const OFTEN = { refetchInterval: 3_000 };

export default function System() {
  const mayManage = useMay("manage");
  const health = $api.useQuery("get", "/api/system", {}, OFTEN);
  return (
    <Page
      title="System"
      about="How the gateway itself is. The same by the command line: gantry status, and gantry doctor when something is wrong."
    >
      <Asked query={health}>{(found) => <Health health={found} />}</Asked>
      {mayManage && <Node />}
    </Page>
  );
}

function Health({ health }: { health: Shapes["SystemHealth"] }) {
  const behind = (health.snapshot_version ?? 0) > (health.snapshot_live_version ?? 0);
  return (
    <SimpleGrid cols={{ base: 2, md: 4 }}>
      <Fact label="Workers ready" bad={health.workers_ready < health.workers}>
        {health.workers_ready} of {health.workers}
      </Fact>
      <Fact label="Calls under way">{count(health.calls_under_way)}</Fact>
      <Fact
        label="Records not yet stored"
        bad={(health.clerk_lag ?? 0) > 10_000}
        about={`the clerk is ${health.clerk}`}
      >
        {count(health.clerk_lag)}
      </Fact>
      <Fact
        label="Journal"
        bad={health.journal_level !== "normal"}
        about={LEVELS[health.journal_level] ?? health.journal_level}
      >
        {bytes(health.journal_bytes)}
      </Fact>
      <Fact
        label="Configuration"
        bad={behind}
        about={behind ? `workers go by ${health.snapshot_live_version}` : "live in every worker"}
      >
        version {health.snapshot_version ?? "–"}
      </Fact>
      <Fact label="Its age">{duration(health.snapshot_age_seconds)}</Fact>
      <Fact label="Deployments cooling down" bad={health.deployments_cooling > 0}>
        {count(health.deployments_cooling)}
      </Fact>
      <Fact label="Gantry">{health.version}</Fact>
    </SimpleGrid>
  );
}

function Fact({
  label,
  about,
  bad = false,
  children,
}: {
  label: string;
  about?: string;
  bad?: boolean;
  children: ReactNode;
}) {
  return (
    <Card withBorder padding="md">
      <Text size="xs" c="dimmed">
        {label}
      </Text>
      <Text size="lg" fw={650} className={`numeric ${bad ? "worse" : ""}`}>
        {children}
      </Text>
      {about && (
        <Text size="xs" c="dimmed">
          {about}
        </Text>
      )}
    </Card>
  );
}

const COLUMNS: Column<Process>[] = [
  { key: "role", head: "Process", cell: ({ role }) => role },
  {
    key: "state",
    head: "State",
    cell: ({ state }) => (
      <Badge variant="light" color={state === "ready" || state === "running" ? "teal" : "orange"}>
        {state ?? "unknown"}
      </Badge>
    ),
  },
  { key: "pid", head: "Pid", numeric: true, cell: ({ pid }) => pid ?? "–" },
  { key: "up", head: "Up for", numeric: true, cell: ({ uptime_seconds }) => duration(uptime_seconds) },
  { key: "restarts", head: "Restarts", numeric: true, cell: ({ restarts }) => restarts ?? "–" },
  { key: "memory", head: "Memory", numeric: true, cell: ({ rss_bytes }) => bytes(rss_bytes) },
  { key: "requests", head: "Requests", numeric: true, cell: ({ requests }) => count(requests) },
  { key: "now", head: "Under way", numeric: true, cell: ({ in_flight }) => count(in_flight) },
  { key: "connections", head: "Connections", numeric: true, cell: ({ connections }) => count(connections) },
];

function Node() {
  const details = $api.useQuery("get", "/api/system/details", {}, OFTEN);
  return (
    <Asked query={details}>
      {({ node, versions, databases }) => {
        const processes: Process[] = [
          { role: "supervisor", ...node.supervisor },
          ...node.workers.map((worker, place) => ({ role: `worker ${place + 1}`, ...worker })),
          { role: "clerk", ...node.clerk },
          { role: "console", ...node.console },
        ];
        return (
          <>
            {node.snapshot.problem && (
              <Alert color="orange" icon={<IconAlertTriangle />} title="The newest configuration is not live">
                {node.snapshot.problem}
              </Alert>
            )}
            {(node.clerk.rejected ?? 0) > 0 && (
              <Alert
                color="orange"
                icon={<IconAlertTriangle />}
                title={`${count(node.clerk.rejected)} records could not be read`}
              >
                They lie in {node.home}/rejected, and each has a minimal row among the logs.
              </Alert>
            )}
            <Card withBorder padding="md">
              <Text fw={600} mb="xs">
                Processes of this machine
              </Text>
              <DataTable label="Processes" rows={processes} columns={COLUMNS} rowKey={({ role }) => role} />
            </Card>
            <SimpleGrid cols={{ base: 1, md: 2 }}>
              <Facts
                title="Data"
                rows={[
                  ["Home", node.home],
                  [
                    "Configuration",
                    `${databases.control.engine} ${databases.control.version}, ${bytes(databases.control.size_bytes)}`,
                  ],
                  ["Logs", `${databases.logs.engine} ${databases.logs.version}, ${bytes(databases.logs.size_bytes)}`],
                  [
                    "Journals",
                    `${node.journal.incarnations}, ${bytes(node.journal.bytes)}, keep ${node.journal.level}`,
                  ],
                  ["Records stored since its start", count(node.clerk.records)],
                ]}
              />
              <Facts
                title="Versions"
                rows={[
                  ["Gantry", versions.gantry],
                  ["Python", versions.python],
                  ["Platform", versions.platform],
                ]}
              />
            </SimpleGrid>
          </>
        );
      }}
    </Asked>
  );
}

function Facts({ title, rows }: { title: string; rows: [string, ReactNode][] }) {
  return (
    <Card withBorder padding="md">
      <Group mb="xs">
        <Text fw={600}>{title}</Text>
      </Group>
      <Table>
        <Table.Tbody>
          {rows.map(([name, value]) => (
            <Table.Tr key={name}>
              <Table.Th scope="row" fw={400} c="dimmed">
                {name}
              </Table.Th>
              <Table.Td>{value}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Card>
  );
}
