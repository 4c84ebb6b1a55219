// Deliveries: what is on its way to a channel, what arrived, and what was given up after many attempts.
import { Badge, Drawer, Group, SegmentedControl, Stack, Text } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconSend } from "@tabler/icons-react";
import { keepPreviousData } from "@tanstack/react-query";
import { $api, type Shapes } from "../../api/client";
import { useAddress } from "../../app/router";
import { Asked } from "../../parts/Asked";
import { type Column, DataTable } from "../../parts/DataTable";
import { Nothing } from "../../parts/Nothing";
import { When } from "../../parts/When";
import { count } from "../../parts/words";
import { Delivery, State } from "./Delivery";
import { labelOf } from "./words";

type DeliveryItem = Shapes["DeliveryItem"];

const STATES = ["pending", "delivered", "dead"] as const;
const MOST = 200;

export function Deliveries() {
  const [address, change] = useAddress();
  const isPhone = useMediaQuery("(max-width: 48em)");
  const state = STATES.find((one) => one === address.state);
  const open = typeof address.delivery === "string" ? address.delivery : null;
  const channels = $api.useQuery("get", "/api/alert-channels");
  const deliveries = $api.useQuery(
    "get",
    "/api/alerts/deliveries",
    { params: { query: { limit: MOST, ...(state ? { state } : {}) } } },
    {
      placeholderData: keepPreviousData,
      refetchInterval: ({ state: { data } }) => (data?.some((one) => one.state === "pending") ? 2_000 : 10_000),
    },
  );
  const nameOf = (id: string) => channels.data?.find((channel) => channel.id === id)?.name ?? "a removed channel";
  const columns: Column<DeliveryItem>[] = [
    { key: "when", head: "When", cell: ({ created_at }) => <When at={created_at} /> },
    {
      key: "event",
      head: "Event",
      cell: ({ event }) => (
        <Badge variant="light" tt="none" miw="max-content">
          {labelOf(event)}
        </Badge>
      ),
    },
    { key: "channel", head: "To", cell: ({ channel_id }) => nameOf(channel_id) },
    { key: "state", head: "State", cell: (delivery) => <State delivery={delivery} /> },
    { key: "attempts", head: "Attempts", numeric: true, cell: ({ attempts }) => count(attempts) },
    {
      key: "error",
      head: "Last error",
      cell: ({ last_error }) => (
        <Text size="sm" lineClamp={2} maw={360}>
          {last_error ?? "–"}
        </Text>
      ),
    },
  ];
  return (
    <Stack>
      <Group>
        <SegmentedControl
          size="xs"
          aria-label="State"
          data={[{ value: "all", label: "All" }, ...STATES.map((value) => ({ value, label: labelOf(value) }))]}
          value={state ?? "all"}
          onChange={(value) => change({ state: value === "all" ? null : value })}
        />
      </Group>
      <Asked query={deliveries}>
        {(found) => (
          <DataTable
            label="Deliveries"
            rows={found}
            columns={columns}
            rowKey={({ id }) => id}
            open={open}
            onOpen={({ id }) => change({ delivery: id })}
            empty={
              state ? (
                <Text c="dimmed">None is {state}.</Text>
              ) : (
                <Nothing icon={IconSend} title="Nothing was delivered yet">
                  Each alert is delivered to each channel that is told of it. Test a channel, on Channels, to see one.
                </Nothing>
              )
            }
          />
        )}
      </Asked>
      <Drawer
        opened={open !== null}
        onClose={() => change({ delivery: null })}
        position="right"
        size={isPhone ? "100%" : "lg"}
        title="Delivery"
        closeButtonProps={{ "aria-label": "Close" }}
      >
        {open !== null && <Delivery id={open} nameOf={nameOf} />}
      </Drawer>
    </Stack>
  );
}
