// Credits: the balance, the ledger that it is the sum of, and how calls on platform credentials are charged.
import { Badge, Button, Card, Group, Modal, Pagination, SimpleGrid, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconCoin, IconPlus } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { $api, type Shapes } from "../../api/client";
import { useMay } from "../../api/session";
import { useAddress } from "../../app/router";
import { Asked } from "../../parts/Asked";
import { type Column, DataTable } from "../../parts/DataTable";
import { Nothing } from "../../parts/Nothing";
import { Page } from "../../parts/Page";
import { When } from "../../parts/When";
import { money } from "../../parts/words";
import { BooksCard } from "./BooksCard";
import { TopUp } from "./TopUp";

type Entry = Omit<Shapes["CreditTransaction"], "organization_subscription" | "stripe_payment_intent_id">;

const PAGE_SIZE = 50;

const COLUMNS: Column<Entry>[] = [
  { key: "at", head: "When", cell: (entry) => <When at={entry.created_at} /> },
  {
    key: "type",
    head: "What",
    cell: (entry) => (
      <Badge variant="light" color={entry.amount < 0 ? "gray" : "teal.9"}>
        {entry.transaction_type}
      </Badge>
    ),
  },
  {
    key: "amount",
    head: "Amount",
    numeric: true,
    cell: (entry) => <span className={entry.amount < 0 ? undefined : "better"}>{money(entry.amount)}</span>,
  },
  {
    key: "description",
    head: "For",
    cell: (entry) =>
      entry.log_id ? (
        <Text
          size="sm"
          component={Link}
          {...({ to: "/logs", search: { log: entry.log_id } } as object)}
          c="gantry"
          td="underline"
        >
          a call
        </Text>
      ) : (
        entry.description || "–"
      ),
  },
  { key: "author", head: "By", cell: (entry) => entry.author },
  { key: "expires", head: "Expires", cell: (entry) => (entry.expires_at ? <When at={entry.expires_at} /> : "–") },
];

export default function Credits() {
  const mayManage = useMay("manage");
  const [{ page }, change] = useAddress();
  const number = Math.max(1, Number(page) || 1);
  const [opened, { open, close }] = useDisclosure();
  const balance = $api.useQuery("get", "/api/credit-transactions/balance", {}, { refetchInterval: 10_000 });
  const entries = $api.useQuery("get", "/api/credit-transactions/list", {
    params: { query: { page: number, page_size: PAGE_SIZE } },
  });

  return (
    <Page
      title="Credits"
      about="Calls on the platform's credentials are paid with credits; calls on your own are not. Nothing in the ledger ever changes: the balance is its sum."
      actions={
        mayManage && (
          <Button leftSection={<IconPlus size={16} />} onClick={open}>
            Add credits
          </Button>
        )
      }
    >
      <Asked query={balance} rows={1}>
        {(sums) => (
          <SimpleGrid cols={{ base: 1, sm: 3 }}>
            <Sum label="Balance" value={money(sums.balance)} low={sums.balance < sums.minimum_balance} />
            <Sum label="Granted and bought" value={money(sums.granted)} />
            <Sum label="Charged for calls" value={money(sums.charged)} />
          </SimpleGrid>
        )}
      </Asked>
      <BooksCard />
      <Asked query={entries}>
        {({ results, count }) => (
          <>
            <DataTable
              label="Ledger"
              rows={results}
              columns={COLUMNS}
              rowKey={({ id }) => id}
              empty={
                <Nothing icon={IconCoin} title="The ledger is empty">
                  Nobody has added credits. You need none for calls on your own providers' keys. By the command line:{" "}
                  <code>gantry credits add 50 --description "first month"</code>
                </Nothing>
              }
            />
            {count > PAGE_SIZE && (
              <Group justify="center">
                <Pagination
                  total={Math.ceil(count / PAGE_SIZE)}
                  value={number}
                  onChange={(next) => change({ page: next === 1 ? null : next })}
                  getControlProps={(control) => ({ "aria-label": `${control} page` })}
                />
              </Group>
            )}
          </>
        )}
      </Asked>
      <Modal opened={opened} onClose={close} title="Add credits">
        <TopUp onDone={close} />
      </Modal>
    </Page>
  );
}

function Sum({ label, value, low = false }: { label: string; value: string; low?: boolean }) {
  return (
    <Card withBorder padding="md">
      <Text size="xs" c="dimmed">
        {label}
      </Text>
      <Text size="xl" fw={650} className={`numeric ${low ? "worse" : ""}`}>
        {value}
      </Text>
      {low && (
        <Text size="xs" className="worse">
          Below what it must be: calls that cost credits get a 402.
        </Text>
      )}
    </Card>
  );
}
