// The channels: who is told of what; tried out, paused, changed, removed.
import { ActionIcon, Badge, Button, Group, Menu, Modal, Stack, Switch, Text } from "@mantine/core";
import { IconBell, IconDots, IconPlus, IconSend } from "@tabler/icons-react";
import { useState } from "react";
import { $api, api, refresh } from "../../api/client";
import { useAddress } from "../../app/router";
import { Asked } from "../../parts/Asked";
import { confirm } from "../../parts/confirm";
import { type Column, DataTable } from "../../parts/DataTable";
import { Nothing } from "../../parts/Nothing";
import { told } from "../../parts/told";
import { ChannelTold } from "./ChannelTold";
import { NewChannel } from "./NewChannel";
import { type Channel, ENVIRONMENTS, eventsOf, KINDS } from "./words";

export function Channels() {
  const channels = $api.useQuery("get", "/api/alert-channels");
  const [adding, setAdding] = useState(false);
  const [edited, setEdited] = useState<Channel | null>(null);
  const columns: Column<Channel>[] = [
    {
      key: "name",
      head: "Channel",
      by: ({ name }) => name,
      cell: ({ name, target }) => (
        <div>
          <Text size="sm" fw={500}>
            {name}
          </Text>
          <Text size="xs" c="dimmed">
            {target}
          </Text>
        </div>
      ),
    },
    {
      key: "kind",
      head: "Kind",
      by: ({ kind }) => kind,
      cell: ({ kind }) => <Badge variant="light">{KINDS[kind]}</Badge>,
    },
    {
      key: "events",
      head: "Is told of",
      cell: (channel) => (
        <Text size="sm" maw={360} lineClamp={2}>
          {eventsOf(channel)}
        </Text>
      ),
    },
    {
      key: "environment",
      head: "Environment",
      cell: ({ environment }) => ENVIRONMENTS.find(({ value }) => value === (environment ?? "both"))?.label,
    },
    { key: "enabled", head: "Enabled", cell: (channel) => <Enabled channel={channel} /> },
    { key: "act", head: "", cell: (channel) => <Acts channel={channel} onEdit={() => setEdited(channel)} /> },
  ];
  return (
    <Stack>
      <Group justify="flex-end">
        <Button leftSection={<IconPlus size={16} />} onClick={() => setAdding(true)}>
          Add a channel
        </Button>
      </Group>
      <Asked query={channels}>
        {(found) => (
          <DataTable
            label="Channels"
            rows={found}
            columns={columns}
            rowKey={({ id }) => id}
            empty={
              <Nothing icon={IconBell} title="Nobody is told yet">
                Alerts are raised and kept all the same. Add a webhook, a Slack channel or e-mail addresses to hear of
                them. Or by the command line:{" "}
                <code>gantry alerts channels add ops https://hooks.example.com/gantry</code>
              </Nothing>
            }
          />
        )}
      </Asked>
      <NewChannel opened={adding} onClose={() => setAdding(false)} />
      <Modal
        opened={edited !== null}
        onClose={() => setEdited(null)}
        title={`What ${edited?.name} is told of`}
        size="lg"
        closeButtonProps={{ "aria-label": "Close" }}
      >
        {edited && <ChannelTold channel={edited} onDone={() => setEdited(null)} />}
      </Modal>
    </Stack>
  );
}

function Enabled({ channel: { id, name, enabled, managed_by } }: { channel: Channel }) {
  const set = (on: boolean) =>
    told(
      api.PATCH("/api/alert-channels/{channel}", { params: { path: { channel: id } }, body: { enabled: on } }),
      on ? `${name} is told again.` : `${name} is told nothing until it is enabled.`,
    ).then(() => refresh("/api/alert-channels"));
  return (
    <Switch
      aria-label={`${name} is told`}
      checked={enabled}
      disabled={managed_by !== null}
      onChange={(event) => set(event.currentTarget.checked)}
    />
  );
}

function Acts({ channel: { id, name, managed_by }, onEdit }: { channel: Channel; onEdit: () => void }) {
  const [, change] = useAddress();
  const [busy, setBusy] = useState(false);
  const params = { path: { channel: id } };

  async function test() {
    setBusy(true);
    const put = api.POST("/api/alert-channels/{channel}/test", { params });
    if (await told(put, "A test is on its way.")) {
      await refresh("/api/alerts/deliveries");
      change({ tab: "deliveries", delivery: (await put).data?.delivery_id });
    }
    setBusy(false);
  }

  const remove = () =>
    confirm({
      title: `Remove ${name}?`,
      body: "It is told nothing any more, and what is on its way to it is given up.",
      act: "Remove",
      onConfirm: () =>
        told(api.DELETE("/api/alert-channels/{channel}", { params }), "Removed.").then(() =>
          refresh("/api/alert-channels", "/api/alerts/deliveries"),
        ),
    });

  return (
    <Group justify="flex-end" gap="xs" wrap="nowrap">
      <Button
        size="compact-sm"
        variant="default"
        leftSection={<IconSend size={14} />}
        loading={busy}
        onClick={test}
        aria-label={`Test ${name}`}
      >
        Test
      </Button>
      {managed_by === null ? (
        <Menu position="bottom-end">
          <Menu.Target>
            <ActionIcon aria-label={`What to do with ${name}`}>
              <IconDots size={16} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={onEdit}>What it is told of</Menu.Item>
            <Menu.Item color="red" onClick={remove}>
              Remove
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      ) : (
        <Text size="xs" c="dimmed">
          declared in {managed_by}
        </Text>
      )}
    </Group>
  );
}
