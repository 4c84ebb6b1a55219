// Caches: answers that are kept and given again, what each has saved, and how they are forgotten.
import { Button, Card, Checkbox, Drawer, Group, Pagination, SimpleGrid, Stack, Text } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconStack2, IconTrash } from "@tabler/icons-react";
import { keepPreviousData } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { $api, api, refresh, type Shapes } from "../../api/client";
import { useMay } from "../../api/session";
import { useAddress } from "../../app/router";
import { Asked } from "../../parts/Asked";
import { CodeBlock } from "../../parts/Copy";
import { confirm } from "../../parts/confirm";
import { type Column, DataTable } from "../../parts/DataTable";
import { Nothing } from "../../parts/Nothing";
import { Page } from "../../parts/Page";
import { told } from "../../parts/told";
import { When } from "../../parts/When";
import { compact, count, duration, moment, money } from "../../parts/words";

type Entry = Shapes["CacheItem"];

const PAGE_SIZE = 50;

export default function Caches() {
  const mayManage = useMay("manage");
  const [search, change] = useAddress();
  const page = Math.max(1, Number(search.page) || 1);
  const open = Number(search.entry) || null;
  const isPhone = useMediaQuery("(max-width: 48em)");
  const [chosen, setChosen] = useState<ReadonlySet<number>>(new Set());
  const kept = $api.useQuery(
    "post",
    "/api/caches",
    { params: { query: { page, page_size: PAGE_SIZE } }, body: {} },
    { placeholderData: keepPreviousData },
  );

  const choose = (id: number, on: boolean) => {
    const next = new Set(chosen);
    if (on) {
      next.add(id);
    } else {
      next.delete(id);
    }
    setChosen(next);
  };

  const forget = () =>
    confirm({
      title: `Forget ${count(chosen.size)} answers?`,
      body: "The next such call goes to the provider again. Their logs stay.",
      act: "Forget",
      onConfirm: async () => {
        await told(api.DELETE("/api/caches/bulk", { body: { ids: [...chosen] } }), "Forgotten.");
        setChosen(new Set());
        await refresh("/api/caches");
      },
    });

  const columns: Column<Entry>[] = [
    ...(mayManage
      ? [
          {
            key: "chosen",
            head: "",
            cell: (entry: Entry) => (
              <Checkbox
                aria-label="Choose this answer"
                checked={chosen.has(entry.id)}
                onClick={(event) => event.stopPropagation()}
                onChange={(event) => choose(entry.id, event.currentTarget.checked)}
              />
            ),
          },
        ]
      : []),
    { key: "model", head: "Model", cell: (entry) => entry.model ?? "–" },
    {
      key: "prompt",
      head: "Asked",
      cell: (entry) => (
        <Text size="sm" lineClamp={1} maw={420}>
          {entry.prompt_content ?? "not kept"}
        </Text>
      ),
    },
    { key: "hits", head: "Given again", numeric: true, cell: (entry) => count(entry.hit_count) },
    { key: "saved", head: "Saved", numeric: true, cell: (entry) => money(entry.saved_cost) },
    { key: "time", head: "Time saved", numeric: true, cell: (entry) => duration(entry.saved_time) },
    { key: "kept", head: "Kept", cell: (entry) => <When at={entry.timestamp} /> },
    { key: "until", head: "Until", cell: (entry) => <When at={entry.expiry_date} /> },
  ];

  return (
    <Page
      title="Caches"
      about="A call that asks for it is answered from here when the same was asked before: at once, and for nothing."
      actions={
        chosen.size > 0 && (
          <Button color="red" variant="light" leftSection={<IconTrash size={16} />} onClick={forget}>
            Forget {count(chosen.size)}
          </Button>
        )
      }
    >
      <Asked query={kept}>
        {({ summary, data }) => (
          <>
            <Card withBorder padding="md">
              <SimpleGrid cols={{ base: 2, sm: 4 }}>
                <Fact label="Saved" value={money(summary.total_cost)} />
                <Fact label="Answers given again" value={count(summary.total_hit_count)} />
                <Fact label="Tokens" value={compact(summary.total_tokens)} />
                <Fact label="Time" value={duration(summary.total_time)} />
              </SimpleGrid>
            </Card>
            <DataTable
              label="Kept answers"
              rows={data.results}
              columns={columns}
              rowKey={({ id }) => String(id)}
              open={open === null ? null : String(open)}
              onOpen={({ id }) => change({ entry: id })}
              empty={<NothingKept />}
            />
            {data.count > PAGE_SIZE && (
              <Group justify="center">
                <Pagination
                  total={Math.ceil(data.count / PAGE_SIZE)}
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
        onClose={() => change({ entry: null })}
        position="right"
        size={isPhone ? "100%" : "lg"}
        title="A kept answer"
        closeButtonProps={{ "aria-label": "Close" }}
      >
        {open !== null && <KeptAnswer id={open} />}
      </Drawer>
    </Page>
  );
}

function Fact({ label, value }: { label: string; value: string }) {
  return (
    <div>
      <Text size="xs" c="dimmed">
        {label}
      </Text>
      <Text fw={600} className="numeric">
        {value}
      </Text>
    </div>
  );
}

function KeptAnswer({ id }: { id: number }) {
  const entry = $api.useQuery("get", "/api/cache/{entry_id}", { params: { path: { entry_id: id } } });
  return (
    <Asked query={entry}>
      {(found) => (
        <Stack>
          <Text size="sm" c="dimmed">
            {found.model} · kept {moment(found.timestamp)} · until {moment(found.expiry_date)} · given again{" "}
            {count(found.hit_count)} times
          </Text>
          <Text fw={600}>Asked</Text>
          <CodeBlock code={found.prompt_content ?? "What was asked is not kept, by the key's privacy."} />
          <Text fw={600}>Answered</Text>
          <CodeBlock code={found.response_content ?? "What was answered is not kept, by the key's privacy."} />
          {found.log_id && (
            <Text
              size="sm"
              component={Link}
              {...({ to: "/logs", search: { log: found.log_id } } as object)}
              c="gantry"
              td="underline"
            >
              The call that it was first given to
            </Text>
          )}
        </Stack>
      )}
    </Asked>
  );
}

function NothingKept() {
  return (
    <Nothing icon={IconStack2} title="No answer is kept">
      Ask for it with a call, and the same call is answered from here for as long as you say:
      <CodeBlock
        code={`client.chat.completions.create(
    model="mistral/mistral-large-latest",
    messages=[{"role": "user", "content": "Hello"}],
    extra_body={"cache_enabled": True, "cache_ttl": 600},
)`}
      />
    </Nothing>
  );
}
