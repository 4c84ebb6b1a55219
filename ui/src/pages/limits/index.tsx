// Limits: what may be spent, asked and used, by whom, in which time; warned of or blocked.
import { ActionIcon, Badge, Button, Group, Menu, Modal, Progress, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconDots, IconGauge, IconPlus } from "@tabler/icons-react";
import { useMemo, useState } from "react";
import { $api, api, refresh } from "../../api/client";
import { useMay } from "../../api/session";
import { Asked } from "../../parts/Asked";
import { confirm } from "../../parts/confirm";
import { type Column, DataTable } from "../../parts/DataTable";
import { Nothing } from "../../parts/Nothing";
import { Page } from "../../parts/Page";
import { told } from "../../parts/told";
import { When } from "../../parts/When";
import { LimitEditor } from "./LimitEditor";
import { amountIn, type Found, isRead, type Limit, ruleOf, subjectOf } from "./words";

export default function Limits() {
  const mayManage = useMay("manage");
  const limits = $api.useQuery("get", "/api/limits", {}, { refetchInterval: 5_000 });
  const keys = $api.useQuery("get", "/api/api-keys", {}, { retry: false });
  const keyNames = useMemo(() => new Map(keys.data?.results.map(({ id, name }) => [id, name]) ?? []), [keys.data]);
  const [edited, setEdited] = useState<Limit | null>(null);
  const [opened, { open, close }] = useDisclosure();

  function edit(limit: Limit | null) {
    setEdited(limit);
    open();
  }

  const columns: Column<Found>[] = [
    {
      key: "subject",
      head: "Of",
      by: (limit) => (isRead(limit) ? subjectOf(limit, keyNames) : ""),
      cell: (limit) => (
        <div>
          <Text size="sm" fw={500}>
            {isRead(limit) ? subjectOf(limit, keyNames) : limit.name || limit.id}
          </Text>
          {isRead(limit) && limit.name && (
            <Text size="xs" c="dimmed">
              {limit.name}
            </Text>
          )}
        </div>
      ),
    },
    {
      key: "rule",
      head: "At most",
      cell: (limit) => (isRead(limit) ? ruleOf(limit) : <Unreadable error={limit.error} />),
    },
    {
      key: "action",
      head: "Then",
      cell: (limit) =>
        isRead(limit) && (
          <Badge variant="light" color={limit.action === "block" ? "red" : "yellow.9"}>
            {limit.action}
          </Badge>
        ),
    },
    { key: "use", head: "Used now", cell: (limit) => isRead(limit) && <Use limit={limit} /> },
    {
      key: "resets",
      head: "Begins anew",
      cell: (limit) => isRead(limit) && (limit.resets_at ? <When at={limit.resets_at} /> : "–"),
    },
    {
      key: "act",
      head: "",
      cell: (limit) => mayManage && <Acts limit={limit} onEdit={() => isRead(limit) && edit(limit)} />,
    },
  ];

  return (
    <Page
      title="Limits"
      about="Several may apply to a call; the first that is reached speaks. Calls are counted before they go out, so that a budget is not passed by calls at the same time."
      actions={
        mayManage && (
          <Button leftSection={<IconPlus size={16} />} onClick={() => edit(null)}>
            Add a limit
          </Button>
        )
      }
    >
      <Asked query={limits}>
        {(found) => (
          <DataTable
            label="Limits"
            rows={found}
            columns={columns}
            rowKey={({ id }) => id}
            empty={
              <Nothing icon={IconGauge} title="Nothing is limited yet">
                Begin with a budget: so many dollars a month for the whole organization. Or by the command line:{" "}
                <code>gantry limits add --scope organization --unit cost --period month 100</code>
              </Nothing>
            }
          />
        )}
      </Asked>
      <Modal opened={opened} onClose={close} title={edited ? "Change the limit" : "Add a limit"}>
        <LimitEditor limit={edited} keys={keys.data?.results ?? []} onDone={close} />
      </Modal>
    </Page>
  );
}

function Use({ limit }: { limit: Limit }) {
  const { current_value: used, amount, unit } = limit;
  if (used == null) {
    return (
      <Text size="sm" c="dimmed">
        {limit.subject === "*" ? "by each" : "not known"}
      </Text>
    );
  }
  const share = amount > 0 ? Math.min(100, (used / amount) * 100) : 100;
  return (
    <Stack gap={2} maw={220} ml={{ base: "auto", sm: 0 }}>
      <Text size="xs" className="numeric">
        {amountIn(unit, used)} of {amountIn(unit, amount)}
      </Text>
      <Progress
        value={share}
        size="sm"
        color={share >= 100 ? "red" : share >= 80 ? "orange" : "gantry"}
        aria-label={`${share.toFixed(0)} % is used`}
      />
    </Stack>
  );
}

function Acts({ limit, onEdit }: { limit: Found; onEdit: () => void }) {
  const managed = isRead(limit) ? limit.managed_by : null;
  if (managed) {
    return (
      <Text size="xs" c="dimmed">
        declared in {managed}
      </Text>
    );
  }
  const remove = () =>
    confirm({
      title: "Remove this limit?",
      body: "What it has counted is forgotten with it. Calls are not limited by it any more.",
      act: "Remove",
      onConfirm: () =>
        told(api.DELETE("/api/limits/{limit_id}", { params: { path: { limit_id: limit.id } } }), "Removed.").then(() =>
          refresh("/api/limits"),
        ),
    });
  return (
    <Group justify="flex-end">
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon aria-label="What to do with this limit">
            <IconDots size={16} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {isRead(limit) && <Menu.Item onClick={onEdit}>Change</Menu.Item>}
          <Menu.Item color="red" onClick={remove}>
            Remove
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </Group>
  );
}

function Unreadable({ error }: { error: string }) {
  return (
    <Text size="sm" className="worse">
      It cannot be read: {error}
    </Text>
  );
}
