// One metric told apart by model, API key, customer, provider or deployment: curves, and the list behind them.
import { Card, SimpleGrid, Text } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";
import { $api, type Shapes } from "../../api/client";
import { Asked } from "../../parts/Asked";
import { Chart } from "../../parts/Chart";
import { type Column, DataTable } from "../../parts/DataTable";
import { compact, count, duration, money, percent } from "../../parts/words";
import { ASKED, DIMENSIONS, type Dimension, logsOf, type Metric, type Question } from "./question";

type TopItem = Shapes["TopItem"];

interface Props {
  question: Question;
  metric: Metric;
  by: Dimension;
  onZoom: (start: Date, end: Date) => void;
}

const MOST = 7;

export function Breakdown({ question, metric, by, onZoom }: Props) {
  return (
    <SimpleGrid cols={{ base: 1, xl: 2 }}>
      <Curves question={question} metric={metric} by={by} onZoom={onZoom} />
      <List question={question} metric={metric} by={by} />
    </SimpleGrid>
  );
}

function Curves({ question: { query }, metric, by, onZoom }: Props) {
  const asked = $api.useQuery(
    "post",
    "/api/dashboard/time-series/breakdown",
    {
      params: { query: { ...query, breakdown_by: by, sort_by: metric.key, limit: MOST } },
      body: { metrics_to_aggregate: [metric.key] },
    },
    ASKED,
  );
  const rows = asked.data?.[metric.key];
  const names = asked.data?.names;
  const times = useMemo(() => rows?.map(({ date_group }) => String(date_group)) ?? [], [rows]);
  const curves = useMemo(() => {
    const keys = [...new Set(rows?.flatMap((row) => Object.keys(row)) ?? [])].filter((key) => key !== "date_group");
    return keys.map((key) => ({
      label: names?.[key] ?? (key || "none"),
      values: rows?.map((row) => (typeof row[key] === "number" ? row[key] : null)) ?? [],
    }));
  }, [rows, names]);
  return (
    <Card withBorder padding="md">
      <Text fw={600} mb="xs">
        {metric.label} by {DIMENSIONS.find(({ value }) => value === by)?.label}
      </Text>
      <Asked query={asked}>
        {() => (
          <Chart
            label={`${metric.label} told apart`}
            times={times}
            curves={curves}
            format={metric.format}
            height={240}
            onZoom={onZoom}
          />
        )}
      </Asked>
    </Card>
  );
}

function List({ question, metric, by }: Omit<Props, "onZoom">) {
  const dimension = DIMENSIONS.find(({ value }) => value === by) ?? DIMENSIONS[0];
  const navigate = useNavigate();
  const asked = $api.useQuery(
    "post",
    "/api/dashboard/top-{what}",
    {
      params: { path: { what: dimension.top }, query: { ...question.query, sort_by: metric.key, limit: 50 } },
      body: {},
    },
    ASKED,
  );
  const columns = useMemo<Column<TopItem>[]>(
    () => [
      {
        key: "name",
        head: capital(dimension.label),
        cell: (item) => nameOf(item, by) ?? "none",
        by: (item) => nameOf(item, by),
      },
      {
        key: "requests",
        head: "Requests",
        numeric: true,
        cell: (item) => compact(item.number_of_requests),
        by: (item) => item.number_of_requests,
      },
      {
        key: "cost",
        head: "Cost",
        numeric: true,
        cell: (item) => money(item.total_cost),
        by: (item) => item.total_cost,
      },
      {
        key: "tokens",
        head: "Tokens",
        numeric: true,
        cell: (item) => compact(item.total_tokens),
        by: (item) => item.total_tokens,
      },
      {
        key: "latency",
        head: "Latency",
        numeric: true,
        cell: (item) => duration(item.average_latency),
        by: (item) => item.average_latency,
      },
      {
        key: "errors",
        head: "Errors",
        numeric: true,
        cell: (item) =>
          item.error_count ? `${count(item.error_count)} (${percent((item.error_percentage ?? 0) / 100)})` : "0",
        by: (item) => item.error_count,
      },
    ],
    [dimension, by],
  );
  return (
    <Card withBorder padding="md">
      <Text fw={600} mb="xs">
        Most used
      </Text>
      <Asked query={asked}>
        {(found) => (
          <DataTable
            label={`Most used, by ${dimension.label}`}
            rows={found[`top_${dimension.top}`] ?? []}
            columns={columns}
            rowKey={(item) => String(item[dimension.field])}
            sorted={{ key: "requests", descending: true }}
            onOpen={(item) => {
              const name = item[dimension.field];
              navigate({ to: "/logs", search: logsOf(question, name ? { [dimension.field]: name } : {}) as never });
            }}
            empty={<Text c="dimmed">No calls in this time.</Text>}
          />
        )}
      </Asked>
    </Card>
  );
}

function nameOf(item: TopItem, by: Dimension): string | null | undefined {
  return by === "organization_key_id" ? (item.organization_key_name ?? item.organization_key_id) : item[by];
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
