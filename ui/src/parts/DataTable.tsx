// A table of up to a few hundred rows: sorted by a click on its head, walked by j and k, opened by Enter or a click.
// On a phone each row is a card. Longer lists have a table of their own (pages/logs).
import { Box, Card, Group, Stack, Table, Text, UnstyledButton, VisuallyHidden } from "@mantine/core";
import { useHotkeys, useMediaQuery } from "@mantine/hooks";
import { IconArrowDown, IconArrowUp, IconSelector } from "@tabler/icons-react";
import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";

export interface Column<T> {
  key: string;
  head: string;
  cell: (row: T) => ReactNode;
  /** What it is sorted by; a column without it is not sorted. */
  by?: (row: T) => number | string | null | undefined;
  numeric?: boolean;
  /** Left out on a phone, where each row is a card. */
  spare?: boolean;
}

interface Props<T> {
  label: string;
  rows: readonly T[];
  columns: readonly Column<T>[];
  rowKey: (row: T) => string;
  onOpen?: (row: T) => void;
  /** The key of the row that is open. */
  open?: string | null;
  empty?: ReactNode;
  sorted?: { key: string; descending?: boolean };
  /** Where the rows are a part of what there is, whoever has all of it sorts: `sorted` says how it did. */
  onSort?: (order: { key: string; descending?: boolean }) => void;
}

export function DataTable<T>({ label, rows, columns, rowKey, onOpen, open, empty, sorted, onSort }: Props<T>) {
  const [own, setOwn] = useState(sorted);
  const order = onSort ? sorted : own;
  const [current, setCurrent] = useState(-1);
  const isPhone = useMediaQuery("(max-width: 48em)", false, { getInitialValueInEffect: false });
  const list = useRef<HTMLDivElement>(null);
  const shown = useMemo(() => (onSort ? rows : sort(rows, columns, own)), [rows, columns, own, onSort]);

  const move = (step: number) => setCurrent((at) => Math.max(0, Math.min(shown.length - 1, at + step)));
  useHotkeys([
    ["j", () => move(1)],
    ["k", () => move(-1)],
    ["Enter", () => shown[current] && onOpen?.(shown[current]), { preventDefault: false }],
  ]);
  useEffect(() => {
    list.current?.querySelector(`[data-row="${current}"]`)?.scrollIntoView({ block: "nearest" });
  }, [current]);

  if (rows.length === 0 && empty) {
    return <>{empty}</>;
  }
  const opener = (row: T) =>
    onOpen && {
      className: "clickable",
      tabIndex: 0,
      onClick: () => onOpen(row),
      onKeyDown: (event: React.KeyboardEvent) => {
        if (event.key === "Enter" && event.target === event.currentTarget) {
          event.stopPropagation();
          onOpen(row);
        }
      },
    };
  if (isPhone) {
    return (
      <Stack gap="xs" ref={list} role="list" aria-label={label}>
        {shown.map((row, place) => (
          <Card key={rowKey(row)} withBorder padding="sm" role="listitem" data-row={place} {...opener(row)}>
            {columns
              .filter(({ spare }) => !spare)
              .map((column) => (
                <Group key={column.key} justify="space-between" gap="xs" wrap="nowrap" align="flex-start">
                  <Text size="xs" c="dimmed" style={{ flexShrink: 0 }}>
                    {column.head}
                  </Text>
                  <Box ta="right" fz="sm" component="div">
                    {column.cell(row)}
                  </Box>
                </Group>
              ))}
          </Card>
        ))}
      </Stack>
    );
  }
  return (
    <Table.ScrollContainer
      minWidth={Math.min(640, columns.length * 110)}
      ref={list}
      type="native"
      tabIndex={0}
      role="region"
      aria-label={label}
    >
      <Table>
        <Table.Thead>
          <Table.Tr>
            {columns.map((column) => (
              <Table.Th
                key={column.key}
                ta={column.numeric ? "right" : undefined}
                aria-sort={order?.key === column.key ? (order.descending ? "descending" : "ascending") : undefined}
              >
                <Head column={column} order={order} onSort={onSort ?? setOwn} />
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {shown.map((row, place) => (
            <Table.Tr
              key={rowKey(row)}
              data-row={place}
              {...opener(row)}
              className={`${onOpen ? "clickable" : ""} ${place === current || rowKey(row) === open ? "current-row" : ""}`}
            >
              {columns.map((column) => (
                <Table.Td
                  key={column.key}
                  ta={column.numeric ? "right" : undefined}
                  className={column.numeric ? "numeric" : undefined}
                >
                  {column.cell(row)}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

type Order = { key: string; descending?: boolean };

function Head<T>({
  column,
  order,
  onSort,
}: {
  column: Column<T>;
  order: Order | undefined;
  onSort: (order: Order) => void;
}) {
  if (!column.by) {
    return column.head || <VisuallyHidden>What can be done</VisuallyHidden>;
  }
  const mine = order?.key === column.key;
  const Icon = mine ? (order.descending ? IconArrowDown : IconArrowUp) : IconSelector;
  return (
    <UnstyledButton
      fz="sm"
      fw={700}
      onClick={() => onSort({ key: column.key, descending: mine ? !order.descending : Boolean(column.numeric) })}
    >
      <Group gap={2} wrap="nowrap" display="inline-flex">
        {column.head}
        <Icon size={14} />
      </Group>
    </UnstyledButton>
  );
}

function sort<T>(rows: readonly T[], columns: readonly Column<T>[], order: Order | undefined): readonly T[] {
  const by = order && columns.find(({ key }) => key === order.key)?.by;
  if (!by) {
    return rows;
  }
  const sign = order.descending ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [one, other] = [by(a), by(b)];
    if (one == null || other == null) {
      return one == null ? (other == null ? 0 : 1) : -1; // what is unknown stands last, either way
    }
    return sign * (typeof one === "string" ? one.localeCompare(String(other)) : one - Number(other));
  });
}
