// The columns of the catalogue. Their keys are what the API sorts by.
import { Badge, Group, Text, Tooltip } from "@mantine/core";
import { IconBrain, IconEye, IconTool } from "@tabler/icons-react";
import type { Column } from "../../parts/DataTable";
import { compact, duration, money } from "../../parts/words";
import { ABILITIES, type Model } from "./question";

const sorted = () => null; // the API sorts

export function columnsOf(connected: ReadonlySet<string>): readonly Column<Model>[] {
  return [
    { key: "model_name", head: "Model", by: sorted, cell: (model) => <Name model={model} connected={connected} /> },
    {
      key: "max_context_window",
      head: "Context",
      numeric: true,
      by: sorted,
      cell: ({ max_context_window }) => tokens(max_context_window),
    },
    { key: "input_cost", head: "Input/1M", numeric: true, by: sorted, cell: ({ input_cost }) => money(input_cost) },
    { key: "output_cost", head: "Output/1M", numeric: true, by: sorted, cell: ({ output_cost }) => money(output_cost) },
    {
      key: "cache_hit_input_cost",
      head: "Cached/1M",
      numeric: true,
      spare: true,
      by: sorted,
      cell: ({ cache_hit_input_cost }) => money(cache_hit_input_cost),
    },
    { key: "abilities", head: "Can", cell: (model) => <Abilities model={model} /> },
    {
      key: "number_of_requests",
      head: "Calls",
      numeric: true,
      by: sorted,
      cell: ({ throughput }) => compact(throughput?.number_of_requests ?? 0),
    },
    {
      key: "average_tps",
      head: "Tokens/s",
      numeric: true,
      by: sorted,
      cell: ({ throughput }) => compact(throughput?.average_tps && Math.round(throughput.average_tps)),
    },
    {
      key: "average_ttft",
      head: "1st token",
      numeric: true,
      spare: true,
      by: sorted,
      cell: ({ throughput }) => duration(throughput?.average_ttft),
    },
    {
      key: "average_latency",
      head: "Latency",
      numeric: true,
      spare: true,
      by: sorted,
      cell: ({ throughput }) => duration(throughput?.average_latency),
    },
  ];
}

export function tokens(count: number | null): string {
  if (count === null) {
    return "–";
  }
  return count >= 1_000_000
    ? `${Number((count / 1e6).toFixed(1))}M`
    : count >= 1000
      ? `${Math.round(count / 1000)}k`
      : `${count}`;
}

export function abilitiesOf(model: Model): string[] {
  return ABILITIES.filter(({ value }) =>
    value === "reasoning_support" ? model.capability?.reasoning_support : model[value as "function_call"],
  ).map(({ label }) => label);
}

function Name({ model, connected }: { model: Model; connected: ReadonlySet<string> }) {
  const isConnected = model.provider !== null && connected.has(model.provider.provider_id);
  return (
    <div>
      <Text size="sm" fw={600} style={{ overflowWrap: "anywhere" }}>
        {model.model_name}
      </Text>
      <Group gap={4} justify="inherit">
        <Text size="xs" c="dimmed">
          {model.provider?.provider_name ?? "no provider"}
          {isConnected ? "" : " · not connected"}
        </Text>
        {model.affiliation_category === "custom" && (
          <Badge size="sm" variant="light" tt="none">
            Your own
          </Badge>
        )}
        {model.is_deprecated && (
          <Badge size="sm" variant="default" tt="none">
            deprecated
          </Badge>
        )}
      </Group>
    </div>
  );
}

const SIGNS = [
  { label: "Tools", Icon: IconTool },
  { label: "Sees images", Icon: IconEye },
  { label: "Reasons", Icon: IconBrain },
] as const;

function Abilities({ model }: { model: Model }) {
  const abilities = abilitiesOf(model);
  const known = SIGNS.filter(({ label }) => abilities.includes(label));
  return known.length === 0 ? (
    <Text inherit span c="dimmed">
      –
    </Text>
  ) : (
    <Group gap={6} wrap="nowrap" justify="inherit">
      {known.map(({ label, Icon }) => (
        <Tooltip key={label} label={label}>
          <Icon size={16} stroke={1.6} role="img" aria-label={label} />
        </Tooltip>
      ))}
    </Group>
  );
}
