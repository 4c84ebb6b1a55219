// What a call used and cost, unit by unit, and by which price; which limits it met.
import { Badge, Group, Stack, Table, Text, Title } from "@mantine/core";
import type { Shapes } from "../../../api/client";
import { JsonTree } from "../../../parts/JsonTree";
import { count, money, percent } from "../../../parts/words";
import { Facts } from "./Facts";

const TOTAL = "total_tokens"; // a sum of the others, which is shown above them
const UNITS: Record<string, string> = {
  input_tokens: "Input tokens",
  cached_input_tokens: "Input tokens read from a cache",
  cache_write_tokens: "Input tokens written to a cache",
  output_tokens: "Output tokens",
  reasoning_tokens: "Of these, reasoning tokens",
  hedge: "Hedge (estimate)",
  requests: "Request",
};

function unitWords(unit: string): string {
  return UNITS[unit] ?? unit.replaceAll("_", " ").replace(/^./, (first) => first.toUpperCase());
}

export function Cost({ log }: { log: Shapes["FullLog"] }) {
  const units = [...new Set([...Object.keys(log.units), ...Object.keys(log.cost_by_unit ?? {})])].filter(
    (unit) => unit !== TOTAL,
  );
  return (
    <Stack gap="md">
      <Facts
        facts={[
          {
            name: "Cost",
            value: log.price_missing ? "not known: there is no price for what was used" : money(log.cost),
          },
          { name: "Charged to credits", value: log.charged === null ? null : money(log.charged) },
          { name: "Cost to the customer", value: log.customer_cost === null ? null : money(log.customer_cost) },
          { name: "Saved by the cache", value: log.cache_savings === null ? null : money(log.cache_savings) },
          { name: "Of it, hedges", value: log.hedge_cost === null ? null : `about ${money(log.hedge_cost)}` },
          { name: "Price from", value: [log.price_source, log.price_version].filter(Boolean).join(", version ") },
          { name: "Usage", value: log.usage_estimated ? "estimated: the provider told none" : "told by the provider" },
          { name: "Tokens in all", value: count(log.total_request_tokens) },
        ]}
      />
      {units.length > 0 && (
        <Table aria-label="Cost by unit" withTableBorder>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Unit</Table.Th>
              <Table.Th ta="right">Used</Table.Th>
              <Table.Th ta="right">Cost</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {units.map((unit) => (
              <Table.Tr key={unit}>
                <Table.Td>{unitWords(unit)}</Table.Td>
                <Table.Td ta="right" className="numeric">
                  {log.units[unit]?.toLocaleString("en") ?? "–"}
                </Table.Td>
                <Table.Td ta="right" className="numeric">
                  {money(log.cost_by_unit?.[unit])}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
      {log.limit_info && <Limits info={log.limit_info} />}
      {log.usage && (
        <div>
          <Title order={3} size="h6" mb={4}>
            Usage, as the provider told it
          </Title>
          <JsonTree value={log.usage} open={3} />
        </div>
      )}
    </Stack>
  );
}

function Limits({ info }: { info: Shapes["AskedLimits"] }) {
  return (
    <div>
      <Group gap="xs" mb={4}>
        <Title order={3} size="h6">
          Limits it met
        </Title>
        {!info.is_allowed && (
          <Badge size="sm" color="red" variant="light" tt="none">
            it was blocked
          </Badge>
        )}
      </Group>
      <Table aria-label="Limits" withTableBorder>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Limit</Table.Th>
            <Table.Th ta="right">With this call</Table.Th>
            <Table.Th ta="right">Of</Table.Th>
            <Table.Th>Within</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {info.limits.map((limit) => (
            <Table.Tr key={limit.name}>
              <Table.Td>{limit.name}</Table.Td>
              <Table.Td ta="right" className="numeric">
                {limit.new_value.toLocaleString("en", { maximumFractionDigits: 6 })}
              </Table.Td>
              <Table.Td ta="right" className="numeric">
                {limit.limit_value.toLocaleString("en", { maximumFractionDigits: 6 })}
              </Table.Td>
              <Table.Td>
                <Text span size="sm" fw={limit.is_within_limit ? 400 : 700}>
                  {limit.is_within_limit ? "yes" : "no"}
                  {limit.limit_value > 0 && ` (${percent(limit.new_value / limit.limit_value, 0)})`}
                </Text>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}
