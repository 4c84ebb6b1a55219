// One delivery, as it goes: its state, its attempts, what went wrong last, and what is delivered.
import { Anchor, Badge, Button, Group, Stack, Table, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { $api, api, refresh, type Shapes } from "../../api/client";
import { Asked } from "../../parts/Asked";
import { JsonTree } from "../../parts/JsonTree";
import { told } from "../../parts/told";
import { When } from "../../parts/When";
import { count } from "../../parts/words";
import { labelOf } from "./words";

type Item = Shapes["DeliveryItem"];

const COLOURS: Record<Item["state"], string> = { pending: "yellow", delivered: "teal", dead: "red" };

export function State({ delivery: { state } }: { delivery: Item }) {
  return (
    <Badge variant="light" color={COLOURS[state]}>
      {state}
    </Badge>
  );
}

export function Delivery({ id, nameOf }: { id: string; nameOf: (channel: string) => string }) {
  const params = { path: { delivery_id: id } };
  const delivery = $api.useQuery(
    "get",
    "/api/alerts/deliveries/{delivery_id}",
    { params },
    { refetchInterval: ({ state: { data } }) => (data === undefined || data.state === "pending" ? 1_000 : false) },
  );
  const again = () =>
    told(api.POST("/api/alerts/deliveries/{delivery_id}/redeliver", { params }), "It is tried again at once.").then(
      () => refresh("/api/alerts/deliveries"),
    );
  return (
    <Asked query={delivery}>
      {(found) => (
        <Stack>
          <Group justify="space-between">
            <State delivery={found} />
            <Button size="xs" variant="default" onClick={again}>
              {found.state === "delivered" ? "Deliver again" : "Try again now"}
            </Button>
          </Group>
          <Table variant="vertical" layout="fixed" highlightOnHover={false}>
            <Table.Tbody>
              <Fact name="To">{nameOf(found.channel_id)}</Fact>
              <Fact name="Event">{labelOf(found.event)}</Fact>
              <Fact name="Attempts">{count(found.attempts)}</Fact>
              <Fact name="Began">
                <When at={found.created_at} />
              </Fact>
              {found.next_at && (
                <Fact name="Next attempt">
                  <When at={found.next_at} />
                </Fact>
              )}
              {found.delivered_at && (
                <Fact name="Delivered">
                  <When at={found.delivered_at} />
                </Fact>
              )}
              {found.last_error && <Fact name="Last error">{found.last_error}</Fact>}
            </Table.Tbody>
          </Table>
          {found.payload && (
            <>
              <Text size="sm">{found.payload.message}</Text>
              <JsonTree value={found.payload} />
            </>
          )}
          {found.log_id && (
            <Anchor component={Link} size="sm" {...({ to: "/logs", search: { log: found.log_id } } as object)}>
              The log that it tells
            </Anchor>
          )}
        </Stack>
      )}
    </Asked>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <Table.Tr>
      <Table.Th w={130}>{name}</Table.Th>
      <Table.Td>{children}</Table.Td>
    </Table.Tr>
  );
}
