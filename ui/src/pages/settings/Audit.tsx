// Who changed what. Each entry is chained to the one before: `gantry audit verify` finds any that was altered.
import { Card, Group, Pagination, Text, Tooltip } from "@mantine/core";
import { keepPreviousData } from "@tanstack/react-query";
import { $api, type Shapes } from "../../api/client";
import { useAddress } from "../../app/router";
import { Asked } from "../../parts/Asked";
import { type Column, DataTable } from "../../parts/DataTable";
import { When } from "../../parts/When";

type Entry = Shapes["AuditItem"];

const PAGE_SIZE = 50;

const COLUMNS: Column<Entry>[] = [
  { key: "number", head: "No.", numeric: true, cell: ({ number }) => number },
  { key: "at", head: "When", cell: ({ at }) => <When at={at} /> },
  {
    key: "who",
    head: "Who",
    cell: ({ actor, actor_name }) => (
      <div>
        <Text size="sm">{actor_name || actor}</Text>
        <Text size="xs" c="dimmed">
          {actor}
        </Text>
      </div>
    ),
  },
  { key: "action", head: "Did", cell: ({ action }) => action },
  { key: "subject", head: "To", cell: ({ subject }) => subject || "–" },
  {
    key: "detail",
    head: "Detail",
    cell: ({ detail }) => {
      const words = JSON.stringify(detail);
      return words === "{}" ? (
        "–"
      ) : (
        <Tooltip label={words} multiline maw={480}>
          <Text size="xs" ff="monospace" lineClamp={1} maw={280}>
            {words}
          </Text>
        </Tooltip>
      );
    },
  },
];

export function Audit() {
  const [search, change] = useAddress();
  const page = Math.max(1, Number(search.page) || 1);
  const entries = $api.useQuery(
    "get",
    "/api/audit-log",
    { params: { query: { page, page_size: PAGE_SIZE } } },
    { placeholderData: keepPreviousData },
  );
  return (
    <Card withBorder padding="md">
      <Asked query={entries}>
        {({ results, count }) => (
          <>
            <DataTable label="Audit log" rows={results} columns={COLUMNS} rowKey={({ number }) => String(number)} />
            {count > PAGE_SIZE && (
              <Group justify="center" mt="md">
                <Pagination
                  total={Math.ceil(count / PAGE_SIZE)}
                  value={page}
                  onChange={(next) => change({ page: next === 1 ? null : next })}
                  getControlProps={(control) => ({ "aria-label": `${control} page` })}
                />
              </Group>
            )}
          </>
        )}
      </Asked>
    </Card>
  );
}
