// What a model costs: each unit, for which calls something else, by whose word and since when; and what it cost before.
import { Accordion, Divider, Stack, Table, Text } from "@mantine/core";
import { $api, type Shapes } from "../../api/client";
import { Asked } from "../../parts/Asked";
import { money } from "../../parts/words";
import type { Model } from "./question";

type Card = Shapes["PriceCardItem"];

const DAY = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" });

export function PriceCard({ model }: { model: Model }) {
  const isOwn = model.affiliation_category === "custom";
  const query = {
    model: model.model_name,
    ...(isOwn || !model.provider || model.model_name.includes("/") ? {} : { provider_id: model.provider.provider_id }),
  };
  const card = $api.useQuery("get", "/api/prices", { params: { query } });
  return (
    <Stack gap="xs">
      <Divider label="Prices" labelPosition="left" />
      <Asked query={card} rows={2}>
        {(card) => (card.prices.length > 0 ? <Known card={card} /> : <Unknown />)}
      </Asked>
    </Stack>
  );
}

function Unknown() {
  return <Text size="sm">No price of it is known: what its calls cost is unknown, which is not nothing.</Text>;
}

function Known({ card }: { card: Card }) {
  const since = card.price_since ? `, since ${DAY.format(new Date(card.price_since))}` : "";
  return (
    <>
      <Table verticalSpacing={4}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Unit</Table.Th>
            <Table.Th>For</Table.Th>
            <Table.Th ta="right">Price</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {card.prices.map(({ unit, usd, per, holds_for }) => (
            <Table.Tr key={`${unit} ${holds_for}`}>
              <Table.Td>{words(unit)}</Table.Td>
              <Table.Td>{holds_for ?? "calls"}</Table.Td>
              <Table.Td ta="right">
                <span className="numeric">{money(usd)}</span> / {per}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      <Text size="xs" c="dimmed">
        By {card.price_source === "custom" ? "your own word" : (card.price_version ?? card.price_source)}
        {since}. Each log keeps the price that it was counted by.
      </Text>
      {card.history.length > 1 && <History card={card} />}
    </>
  );
}

function History({ card }: { card: Card }) {
  return (
    <Accordion variant="contained" chevronPosition="left">
      <Accordion.Item value="history">
        <Accordion.Control>
          <Text size="sm">All that is listed, with dates</Text>
        </Accordion.Control>
        <Accordion.Panel>
          <Stack gap="xs">
            {card.history.map((dated) => (
              <div key={JSON.stringify(dated)}>
                <Text size="sm" fw={600}>
                  {dated.since ? `Since ${DAY.format(new Date(dated.since))}` : "From the beginning"}
                  {dated.holds_for ? `, ${dated.holds_for}` : ""}
                </Text>
                <Text size="xs" c="dimmed">
                  {dated.prices.map(({ unit, usd, per }) => `${words(unit)} ${money(usd)} / ${per}`).join(", ")} · by{" "}
                  {dated.price_version}
                </Text>
              </div>
            ))}
          </Stack>
        </Accordion.Panel>
      </Accordion.Item>
    </Accordion>
  );
}

function words(unit: string): string {
  return unit.replaceAll("_", " ");
}
