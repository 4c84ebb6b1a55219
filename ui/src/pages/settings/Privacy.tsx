// Privacy: what is kept of what is said is set for each API key; here a customer is erased, and receipts are found.
import { Anchor, Badge, Button, Card, Group, Stack, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { IconEraser } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { $api, api, refresh, type Shapes } from "../../api/client";
import { Asked } from "../../parts/Asked";
import { Copy } from "../../parts/Copy";
import { confirm } from "../../parts/confirm";
import { type Column, DataTable } from "../../parts/DataTable";
import { Nothing } from "../../parts/Nothing";
import { told } from "../../parts/told";
import { When } from "../../parts/When";
import { count } from "../../parts/words";

type Erasure = Shapes["ErasureItem"];

const COLUMNS: Column<Erasure>[] = [
  { key: "at", head: "When", cell: ({ erased_at }) => <When at={erased_at} /> },
  {
    key: "state",
    head: "State",
    cell: ({ state, finished_at }) => (
      <Badge variant="light" color={finished_at ? "teal" : "orange"}>
        {state}
      </Badge>
    ),
  },
  { key: "logs", head: "Logs", numeric: true, cell: ({ erased }) => count(erased.logs) },
  { key: "answers", head: "Kept answers", numeric: true, cell: ({ erased }) => count(erased.cached_answers) },
  { key: "by", head: "By", cell: ({ author }) => author },
  {
    key: "digest",
    head: "Of whom (SHA-256)",
    cell: ({ subject_digest }) => (
      <Group gap={2} wrap="nowrap" justify="flex-end">
        <Text size="xs" ff="monospace">
          {subject_digest.slice(0, 12)}…
        </Text>
        <Copy value={subject_digest} label="Copy the digest" />
      </Group>
    ),
  },
  {
    key: "id",
    head: "Receipt",
    cell: ({ id }) => <Copy value={id} label="Copy the receipt's id" />,
  },
];

export function Privacy() {
  const erasures = $api.useQuery("get", "/api/erasures", {}, { refetchInterval: 5_000 });
  const form = useForm({ initialValues: { customer_identifier: "" } });

  const erase = (body: { customer_identifier: string }) =>
    confirm({
      title: `Erase ${body.customer_identifier}?`,
      body: "All logs of this customer with what was said, and what is known of it. It does not come back.",
      act: "Erase",
      onConfirm: async () => {
        if (await told(api.POST("/api/erasures", { body }), "It is being erased; the receipt is below.")) {
          form.reset();
          await refresh("/api/erasures");
        }
      },
    });

  return (
    <Stack>
      <Card withBorder padding="md">
        <Text fw={600}>What is kept</Text>
        <Text size="sm" c="dimmed">
          Set for each API key: everything, with personal data masked, only figures, or nothing at all.{" "}
          <Anchor component={Link} to="/keys" size="sm" underline="always">
            API keys
          </Anchor>
        </Text>
      </Card>
      <Card withBorder padding="md" component="form" onSubmit={form.onSubmit(erase)}>
        <Stack>
          <Text fw={600}>Erase a customer</Text>
          <TextInput label="Customer identifier" required {...form.getInputProps("customer_identifier")} />
          <Group justify="flex-end">
            <Button type="submit" color="red" variant="light" disabled={!form.values.customer_identifier}>
              Erase
            </Button>
          </Group>
        </Stack>
      </Card>
      <Card withBorder padding="md">
        <Text fw={600} mb="xs">
          Receipts
        </Text>
        <Asked query={erasures}>
          {({ results }) => (
            <DataTable
              label="Receipts"
              rows={results}
              columns={COLUMNS}
              rowKey={({ id }) => id}
              empty={
                <Nothing icon={IconEraser} title="Nobody was erased">
                  A receipt says what was erased, when, and by whom, without naming whom: only the digest of the
                  identifier is kept.
                </Nothing>
              }
            />
          )}
        </Asked>
      </Card>
    </Stack>
  );
}
