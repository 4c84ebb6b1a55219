// Prices of one's own: above the published ones, from a day on, on this machine. They are the operator's to set.
import { Button, Card, Group, NumberInput, SimpleGrid, Stack, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { IconReceipt } from "@tabler/icons-react";
import { $api, api, refresh, type Shapes } from "../../api/client";
import { useMay } from "../../api/session";
import { Asked } from "../../parts/Asked";
import { type Column, DataTable } from "../../parts/DataTable";
import { Nothing } from "../../parts/Nothing";
import { told } from "../../parts/told";
import { money } from "../../parts/words";

type Own = Shapes["OwnPricesItem"];

const FIELDS = [
  { unit: "input", label: "Input" },
  { unit: "cached_input", label: "Read from the cache" },
  { unit: "output", label: "Output" },
] as const;

export function Prices() {
  const own = $api.useQuery("get", "/api/prices/own");
  const mayManage = useMay("manage");

  const takeBack = ({ provider, models, since }: Own) =>
    told(
      api.DELETE("/api/prices/own", { params: { query: { provider_id: provider, model: models[0] ?? "", since } } }),
      "Taken back: the published price holds again.",
    ).then(() => refresh("/api/prices", "/api/models"));

  const columns: Column<Own>[] = [
    { key: "model", head: "Model", cell: ({ provider, models }) => `${provider}/${models.join(", ")}` },
    { key: "since", head: "Since", cell: ({ since }) => since },
    {
      key: "prices",
      head: "Prices",
      cell: ({ prices }) =>
        prices.map(({ unit, usd, per }) => `${unit.replaceAll("_", " ")} ${money(usd)} / ${per}`).join(", "),
    },
    { key: "tier", head: "For", cell: ({ service_tier }) => service_tier ?? "all calls" },
    { key: "by", head: "Set by", cell: ({ managed_by }) => (managed_by === "command" ? "hand" : managed_by) },
    {
      key: "act",
      head: "",
      cell: (line) =>
        mayManage &&
        line.managed_by === "command" && (
          <Button size="compact-sm" variant="light" color="red" onClick={() => takeBack(line)}>
            Take back
          </Button>
        ),
    },
  ];

  return (
    <Stack>
      {mayManage && <NewPrices />}
      <Asked query={own}>
        {(found) => (
          <DataTable
            label="Own prices"
            rows={found}
            columns={columns}
            rowKey={(line) => `${line.provider} ${line.models.join()} ${line.since} ${line.service_tier}`}
            empty={
              <Nothing icon={IconReceipt} title="Published prices hold for all models">
                Set a price where you pay another one, by a contract say. What stored calls cost stays as it was
                counted, until <code>gantry prices recompute</code> counts them again.
              </Nothing>
            }
          />
        )}
      </Asked>
    </Stack>
  );
}

function NewPrices() {
  const form = useForm({
    initialValues: {
      provider_id: "",
      model: "",
      since: "",
      input: "" as number | "",
      cached_input: "" as number | "",
      output: "" as number | "",
    },
  });

  async function set(values: typeof form.values) {
    const prices = Object.fromEntries(
      FIELDS.filter(({ unit }) => values[unit] !== "").map(({ unit }) => [unit, String(values[unit])]),
    );
    const body = { provider_id: values.provider_id, model: values.model, since: values.since || null, prices };
    if (await told(api.PUT("/api/prices/own", { body }), "Set: calls from now on are priced so.")) {
      form.reset();
      await refresh("/api/prices", "/api/models");
    }
  }

  return (
    <Card withBorder padding="md" component="form" onSubmit={form.onSubmit(set)}>
      <Stack>
        <Text fw={600}>Set a price</Text>
        <SimpleGrid cols={{ base: 1, sm: 3 }}>
          <TextInput label="Provider" placeholder="mistral" required {...form.getInputProps("provider_id")} />
          <TextInput label="Model" placeholder="mistral-large*" required {...form.getInputProps("model")} />
          <TextInput label="From" type="date" description="Left empty: today." {...form.getInputProps("since")} />
          {FIELDS.map(({ unit, label }) => (
            <NumberInput
              key={unit}
              label={`${label}, for a million tokens`}
              prefix="$"
              min={0}
              decimalScale={9}
              {...form.getInputProps(unit)}
            />
          ))}
        </SimpleGrid>
        <Group justify="space-between">
          <Text size="sm" c="dimmed">
            Other units: <code>gantry prices set --help</code>
          </Text>
          <Button type="submit" disabled={FIELDS.every(({ unit }) => form.values[unit] === "")}>
            Set
          </Button>
        </Group>
      </Stack>
    </Card>
  );
}
