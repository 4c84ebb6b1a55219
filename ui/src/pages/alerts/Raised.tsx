// The alerts that were raised, the newest first: what was said, and what of.
import { Badge, Button, Group, Stack, Text } from "@mantine/core";
import { IconBellCheck } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { api, type Shapes } from "../../api/client";
import { Asked } from "../../parts/Asked";
import { type Column, DataTable } from "../../parts/DataTable";
import { Nothing } from "../../parts/Nothing";
import { When } from "../../parts/When";
import { labelOf } from "./words";

type Alert = Shapes["AlertItem"];

const PAGE_SIZE = 100;

const COLUMNS: Column<Alert>[] = [
  { key: "when", head: "When", cell: ({ raised_at }) => <When at={raised_at} /> },
  {
    key: "event",
    head: "Event",
    cell: ({ event }) => (
      <Badge variant="light" tt="none" miw="max-content">
        {labelOf(event)}
      </Badge>
    ),
  },
  { key: "message", head: "What is said", cell: ({ message }) => <Text size="sm">{message}</Text> },
  { key: "environment", head: "Environment", cell: ({ environment }) => environment ?? "both", spare: true },
];

export function Raised() {
  const alerts = useInfiniteQuery({
    queryKey: ["get", "/api/alerts", "raised"],
    queryFn: async ({ pageParam }) => {
      const query = { limit: PAGE_SIZE, ...(pageParam ? { before: pageParam } : {}) };
      const { data } = await api.GET("/api/alerts", { params: { query } });
      return data ?? [];
    },
    initialPageParam: "",
    getNextPageParam: (last) => (last.length < PAGE_SIZE ? undefined : last.at(-1)?.id),
    refetchInterval: 10_000,
  });
  return (
    <Asked query={alerts}>
      {({ pages }) => (
        <Stack>
          <DataTable
            label="Alerts"
            rows={pages.flat()}
            columns={COLUMNS}
            rowKey={({ id }) => id}
            empty={
              <Nothing icon={IconBellCheck} title="There was nothing to tell">
                When a limit is nearly used up, a provider fails or something costs far more than usual, it is said
                here, and to the channels.
              </Nothing>
            }
          />
          {alerts.hasNextPage && (
            <Group justify="center">
              <Button variant="default" loading={alerts.isFetchingNextPage} onClick={() => alerts.fetchNextPage()}>
                Earlier ones
              </Button>
            </Group>
          )}
        </Stack>
      )}
    </Asked>
  );
}
