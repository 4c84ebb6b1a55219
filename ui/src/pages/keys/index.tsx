// API keys: who may call, what they used, and what is left to them.
//
// Law: what is shown is in the address: `key` is the one that is open, `all` shows those that open nothing any more.
import { Badge, Button, Code, Group, Pagination, Stack, Switch, Text, TextInput } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import { IconKey, IconPlus, IconSearch } from "@tabler/icons-react";
import { keepPreviousData } from "@tanstack/react-query";
import { useRef } from "react";
import { $api } from "../../api/client";
import { useMay } from "../../api/session";
import { useAddress } from "../../app/router";
import { Asked } from "../../parts/Asked";
import { CodeBlock } from "../../parts/Copy";
import { type Column, DataTable } from "../../parts/DataTable";
import { Nothing } from "../../parts/Nothing";
import { Page } from "../../parts/Page";
import { When } from "../../parts/When";
import { count, money } from "../../parts/words";
import { KeyPanel } from "./KeyPanel";
import { NewKey } from "./NewKey";
import { Used } from "./Used";
import { type Key, labelOfScope, stateOf } from "./words";

const PAGE_SIZE = 100;
const TONES = { live: "teal", expired: "gray", replaced: "gray", revoked: "red" } as const;

export default function Keys() {
  const [address, change] = useAddress();
  const search = typeof address.q === "string" ? address.q : "";
  const field = useRef<HTMLInputElement>(null);
  useHotkeys([["/", () => field.current?.focus()]]);
  const may = useMay("manage", "inference");
  const all = address.all === true;
  const page = typeof address.page === "number" ? address.page : 1;
  const making = address.new === true;
  const query = { page, page_size: PAGE_SIZE, ...(all ? { revoked: true } : {}) };
  const keys = $api.useQuery("get", "/api/api-keys", { params: { query } }, { placeholderData: keepPreviousData });
  const add = (
    <Button
      leftSection={<IconPlus size={16} />}
      disabled={!may}
      title={may ? undefined : "A member or an administrator makes keys"}
      onClick={() => change({ new: true })}
    >
      New key
    </Button>
  );
  return (
    <Page
      title="API keys"
      about="What programs and people call by. Each has rights and limits of its own; a secret is shown once, when it is made."
      actions={add}
    >
      <Group justify="space-between" gap="sm">
        <TextInput
          ref={field}
          aria-label="Search keys"
          placeholder="Search by name or prefix"
          leftSection={<IconSearch size={16} />}
          value={search}
          onChange={(event) => change({ q: event.currentTarget.value || null }, true)}
          w={{ base: "100%", xs: 280 }}
        />
        <Switch
          label="Show expired and revoked"
          checked={all}
          onChange={(event) => change({ all: event.currentTarget.checked || null, page: null })}
        />
      </Group>
      <Asked query={keys}>
        {({ results, count: total }) => (
          <Stack>
            <DataTable
              label="API keys"
              rows={results.filter((key) => isShown(key, all, search))}
              columns={COLUMNS}
              rowKey={({ id }) => id}
              open={typeof address.key === "string" ? address.key : null}
              onOpen={({ id }) => change({ key: id })}
              empty={<None search={search} add={add} />}
            />
            {total > PAGE_SIZE && (
              <Pagination
                total={Math.ceil(total / PAGE_SIZE)}
                value={page}
                onChange={(next) => change({ page: next })}
                getControlProps={(control) => ({ "aria-label": `${control} page` })}
              />
            )}
          </Stack>
        )}
      </Asked>
      <KeyPanel id={typeof address.key === "string" ? address.key : null} onClose={() => change({ key: null })} />
      <NewKey opened={making} onClose={() => change({ new: null })} />
    </Page>
  );
}

const COLUMNS: readonly Column<Key>[] = [
  {
    key: "name",
    head: "Name",
    by: ({ name }) => name.toLowerCase(),
    cell: (key) => (
      <div>
        <Text size="sm" fw={600}>
          {key.name}
        </Text>
        <Code fz="xs">{`gk_${key.prefix}`}</Code>
      </div>
    ),
  },
  {
    key: "state",
    head: "State",
    by: stateOf,
    cell: (key) => (
      <Group gap={4} wrap="nowrap" justify="inherit">
        <Badge variant="light" color={TONES[stateOf(key)]} tt="none">
          {stateOf(key)}
        </Badge>
        <Badge variant="default" tt="none">
          {key.environment === "test" ? "Test" : "Production"}
        </Badge>
      </Group>
    ),
  },
  {
    key: "used",
    head: "Last used",
    by: ({ last_used }) => last_used,
    cell: ({ last_used }) => <When at={last_used} />,
  },
  {
    key: "usage",
    head: "Calls",
    numeric: true,
    by: ({ key_usage }) => key_usage,
    cell: (key) => (
      <Used used={key.key_usage} limit={key.max_usage < 0 ? null : key.max_usage} format={count} label="Calls" />
    ),
  },
  {
    key: "spent",
    head: "Spent",
    numeric: true,
    by: ({ spending_in_period }) => spending_in_period,
    cell: (key) => <Used used={key.spending_in_period} limit={key.spending_limit} format={money} label="Spending" />,
  },
  {
    key: "rate",
    head: "A minute",
    numeric: true,
    by: ({ rate_limit }) => rate_limit,
    cell: ({ rate_limit }) => (rate_limit === null ? "no limit" : count(rate_limit)),
  },
  {
    key: "expires",
    head: "Expires",
    by: ({ expiry_date }) => expiry_date,
    cell: ({ expiry_date }) => (expiry_date ? <When at={expiry_date} /> : "never"),
  },
  {
    key: "scopes",
    head: "Scopes",
    cell: ({ scopes }) => scopes.map(labelOfScope).join(", "),
  },
];

function isShown(key: Key, all: boolean, search: string): boolean {
  const words = search.trim().toLowerCase();
  return (
    (all || stateOf(key) === "live") &&
    (words === "" || key.name.toLowerCase().includes(words) || `gk_${key.prefix}`.toLowerCase().includes(words))
  );
}

function None({ search, add }: { search: string; add: React.ReactNode }) {
  if (search) {
    return (
      <Nothing icon={IconSearch} title="No key goes by that name">
        Those that are expired or revoked are behind the switch.
      </Nothing>
    );
  }
  return (
    <Nothing icon={IconKey} title="There are no keys yet">
      <Stack gap="sm" align="center">
        A program shows a key to call models through this gateway. Make one here, or on the command line:
        <CodeBlock code="gantry keys create my-app" />
        {add}
      </Stack>
    </Nothing>
  );
}
