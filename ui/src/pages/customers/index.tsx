// Customers: the users of whoever calls, as their calls have shown them; what each costs, and what each may spend.
import { Drawer, Group, Pagination, SegmentedControl, Text, TextInput } from "@mantine/core";
import { useDebouncedCallback, useHotkeys, useMediaQuery } from "@mantine/hooks";
import { IconSearch, IconUsers } from "@tabler/icons-react";
import { keepPreviousData } from "@tanstack/react-query";
import { useRef } from "react";
import { $api, type Shapes } from "../../api/client";
import { useAddress } from "../../app/router";
import { Asked } from "../../parts/Asked";
import { CodeBlock } from "../../parts/Copy";
import { type Column, DataTable } from "../../parts/DataTable";
import { Nothing } from "../../parts/Nothing";
import { Page } from "../../parts/Page";
import { When } from "../../parts/When";
import { compact, count, duration, money } from "../../parts/words";
import { Customer } from "./Customer";

type User = Shapes["UserItem"];

const PAGE_SIZE = 50;
const ORDERS: Record<string, string> = { seen: "-first_seen", cost: "-total_cost" };

const COLUMNS: Column<User>[] = [
  {
    key: "who",
    head: "Customer",
    cell: (user) => (
      <div>
        <Text size="sm" fw={500}>
          {user.name ?? user.customer_identifier}
        </Text>
        <Text size="xs" c="dimmed">
          {[user.name && user.customer_identifier, user.email].filter(Boolean).join(" · ")}
        </Text>
      </div>
    ),
  },
  { key: "requests", head: "Requests", numeric: true, cell: (user) => compact(user.number_of_requests) },
  { key: "errors", head: "Errors", numeric: true, cell: (user) => count(user.number_of_errors) },
  { key: "tokens", head: "Tokens", numeric: true, cell: (user) => compact(user.total_tokens) },
  { key: "cost", head: "Cost", numeric: true, cell: (user) => money(user.total_cost) },
  { key: "monthly", head: "A month", numeric: true, cell: (user) => money(user.average_monthly_cost) },
  { key: "latency", head: "Latency", numeric: true, cell: (user) => duration(user.average_latency) },
  { key: "days", head: "Active days", numeric: true, cell: (user) => count(user.active_days) },
  {
    key: "budget",
    head: "Budget",
    numeric: true,
    cell: (user) => (user.period_budget == null ? "–" : `${money(user.period_budget)} ${user.budget_duration ?? ""}`),
  },
  { key: "last", head: "Last seen", cell: (user) => <When at={user.last_active_timeframe} /> },
];

export default function Customers() {
  const [search, change] = useAddress();
  const environment = search.environment === "test" ? "test" : "prod";
  const words = typeof search.q === "string" ? search.q : "";
  const page = Math.max(1, Number(search.page) || 1);
  const open = typeof search.customer === "string" ? search.customer : null;
  const isPhone = useMediaQuery("(max-width: 48em)");
  const box = useRef<HTMLInputElement>(null);
  useHotkeys([["/", () => box.current?.focus()]]);
  const seek = useDebouncedCallback((q: string) => change({ q: q || null, page: null }, true), 250);
  const users = $api.useQuery(
    "post",
    "/api/users/list",
    {
      params: {
        query: {
          environment,
          page,
          page_size: PAGE_SIZE,
          sort_by: (ORDERS[String(search.order)] ?? "-first_seen") as never,
        },
      },
      body: words ? { filters: { customer_identifier: { operator: "contains", value: [words] } } } : {},
    },
    { placeholderData: keepPreviousData },
  );

  return (
    <Page
      title="Customers"
      about="Your own users, known by the customer_identifier that your calls carry."
      actions={
        <SegmentedControl
          size="xs"
          aria-label="Environment"
          data={[
            { value: "prod", label: "Production" },
            { value: "test", label: "Test" },
          ]}
          value={environment}
          onChange={(value) => change({ environment: value === "prod" ? null : value, page: null })}
        />
      }
    >
      <Group>
        <TextInput
          ref={box}
          w={300}
          leftSection={<IconSearch size={16} />}
          placeholder="Search by identifier"
          aria-label="Search by identifier"
          defaultValue={words}
          onChange={(event) => seek(event.currentTarget.value)}
        />
        <SegmentedControl
          size="xs"
          aria-label="Order"
          data={[
            { value: "seen", label: "Newest first" },
            { value: "cost", label: "Dearest first" },
          ]}
          value={search.order === "cost" ? "cost" : "seen"}
          onChange={(order) => change({ order: order === "seen" ? null : order, page: null })}
        />
      </Group>
      <Asked query={users}>
        {({ results, count: found, count_is_exact: exact }) => (
          <>
            <DataTable
              label="Customers"
              rows={results}
              columns={COLUMNS}
              rowKey={({ customer_identifier }) => customer_identifier}
              open={open}
              onOpen={({ customer_identifier }) => change({ customer: customer_identifier })}
              empty={words ? <Text c="dimmed">No customer's identifier contains “{words}”.</Text> : <NoCustomers />}
            />
            {(found > PAGE_SIZE || !exact) && (
              <Group justify="center">
                <Pagination
                  total={Math.ceil(found / PAGE_SIZE)}
                  value={page}
                  onChange={(next) => change({ page: next === 1 ? null : next })}
                  getControlProps={(control) => ({ "aria-label": `${control} page` })}
                />
              </Group>
            )}
          </>
        )}
      </Asked>
      <Drawer
        opened={open !== null}
        onClose={() => change({ customer: null })}
        position="right"
        size={isPhone ? "100%" : "lg"}
        title={open}
        closeButtonProps={{ "aria-label": "Close" }}
      >
        {open !== null && (
          <Customer identifier={open} environment={environment} onGone={() => change({ customer: null })} />
        )}
      </Drawer>
    </Page>
  );
}

function NoCustomers() {
  return (
    <Nothing icon={IconUsers} title="No call has named a customer yet">
      Say with each call whose it is, and see here what each of your users costs, and set what each may spend:
      <CodeBlock
        code={`client.chat.completions.create(
    model="mistral/mistral-large-latest",
    messages=[{"role": "user", "content": "Hello"}],
    extra_body={"customer_identifier": "user_123"},
)`}
      />
    </Nothing>
  );
}
