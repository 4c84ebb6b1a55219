// One key: what it was used for, changed, rotated, revoked.
import {
  Alert,
  Anchor,
  Badge,
  Button,
  Code,
  Drawer,
  Group,
  Modal,
  Select,
  SimpleGrid,
  Stack,
  Text,
} from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { $api, api, refresh } from "../../api/client";
import { useMay, useSession } from "../../api/session";
import { Asked } from "../../parts/Asked";
import { confirm } from "../../parts/confirm";
import { logsOf } from "../../parts/links";
import { told } from "../../parts/told";
import { When } from "../../parts/When";
import { count, money } from "../../parts/words";
import { draftOf, type KeyDraft, keyForm } from "./draft";
import { KeyFields } from "./KeyFields";
import { SecretShown, type ShownKey } from "./NewKey";
import { type Key, stateOf } from "./words";

const GRACES = [
  { value: "0", label: "At once" },
  { value: "3600", label: "After an hour" },
  { value: "86400", label: "After a day" },
  { value: "604800", label: "After a week" },
];

export function KeyPanel({ id, onClose }: { id: string | null; onClose: () => void }) {
  return (
    <Drawer
      opened={id !== null}
      onClose={onClose}
      position="right"
      size="lg"
      title="API key"
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {id && <Panel key={id} id={id} onClose={onClose} />}
    </Drawer>
  );
}

function Panel({ id, onClose }: { id: string; onClose: () => void }) {
  const key = $api.useQuery("get", "/api/api-keys/{key_id}", { params: { path: { key_id: id } } });
  return <Asked query={key}>{(key) => <Opened key={key.id} item={key} onClose={onClose} />}</Asked>;
}

function Opened({ item, onClose }: { item: Key; onClose: () => void }) {
  const session = useSession();
  const manages = useMay("manage");
  const calls = useMay("inference");
  const state = stateOf(item);
  const may = (manages || (calls && item.created_by === session?.person?.id)) && state === "live";
  return (
    <Stack>
      <Facts item={item} />
      {state !== "live" && (
        <Alert color="gray" variant="light">
          This key is {state}. It opens nothing any more, and its logs stay.
        </Alert>
      )}
      {state === "live" && !may && (
        <Alert color="gray" variant="light">
          You may change the keys that you made. This one is changed by an administrator.
        </Alert>
      )}
      {may && <Change item={item} onClose={onClose} />}
    </Stack>
  );
}

function Facts({ item }: { item: Key }) {
  const facts: [string, React.ReactNode][] = [
    ["Begins with", <Code key="prefix">{`gk_${item.prefix}`}</Code>],
    ["Made", <When key="made" at={item.created_at} />],
    ["Last used", <When key="used" at={item.last_used} />],
    ["Calls", count(item.key_usage)],
    ["Spent", money(item.spending_in_period)],
    ["Expires", item.expiry_date ? <When key="expires" at={item.expiry_date} /> : "never"],
  ];
  return (
    <Stack gap="sm">
      <Group gap="xs">
        <Text fw={650} size="lg">
          {item.name}
        </Text>
        <Badge variant="default" tt="none">
          {item.environment === "test" ? "Test" : "Production"}
        </Badge>
      </Group>
      <SimpleGrid cols={{ base: 2, xs: 3 }} spacing="sm">
        {facts.map(([name, value]) => (
          <div key={name}>
            <Text size="xs" c="dimmed">
              {name}
            </Text>
            <Text size="sm" component="div">
              {value}
            </Text>
          </div>
        ))}
      </SimpleGrid>
      <Anchor component={Link} {...logsOf("organization_key_id", item.id)} size="sm">
        Its logs
      </Anchor>
    </Stack>
  );
}

function Change({ item, onClose }: { item: Key; onClose: () => void }) {
  const [draft, setDraft] = useState<KeyDraft>(() => draftOf(item));
  const [busy, setBusy] = useState(false);
  const [rotating, setRotating] = useState(false);
  const changed = JSON.stringify(draft) !== JSON.stringify(draftOf(item));
  const path = { key_id: item.id };

  async function save() {
    setBusy(true);
    const body = keyForm(draft, item);
    const isDone = await told(api.PATCH("/api/api-keys/{key_id}", { params: { path }, body }), "The key is changed.");
    if (isDone) {
      await refresh("/api/api-keys");
    }
    setBusy(false);
  }

  function revoke() {
    confirm({
      title: `Revoke “${item.name}”?`,
      body: "Programs that call by it are refused from now on, and by the keys that it made too. This cannot be undone.",
      act: "Revoke",
      onConfirm: async () => {
        if (await told(api.DELETE("/api/api-keys/{key_id}", { params: { path } }), "The key is revoked.")) {
          onClose();
          await refresh("/api/api-keys");
        }
      },
    });
  }

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        save();
      }}
    >
      <Stack>
        <KeyFields draft={draft} onChange={(part) => setDraft((before) => ({ ...before, ...part }))} />
        <Group justify="space-between">
          <Group gap="xs">
            <Button variant="default" onClick={() => setRotating(true)}>
              Rotate…
            </Button>
            <Button variant="light" color="red" onClick={revoke}>
              Revoke…
            </Button>
          </Group>
          <Button type="submit" loading={busy} disabled={!changed || !draft.name.trim() || draft.scopes.length === 0}>
            Save
          </Button>
        </Group>
        <Rotate item={item} opened={rotating} onClose={() => setRotating(false)} onDone={onClose} />
      </Stack>
    </form>
  );
}

interface RotateProps {
  item: Key;
  opened: boolean;
  onClose: () => void;
  onDone: () => void;
}

function Rotate({ item, opened, onClose, onDone }: RotateProps) {
  const [grace, setGrace] = useState("86400");
  const [busy, setBusy] = useState(false);
  const [shown, setShown] = useState<ShownKey | null>(null);

  async function rotate() {
    setBusy(true);
    await told(
      api
        .POST("/api/api-keys/{key_id}/rotate", {
          params: { path: { key_id: item.id } },
          body: { grace: Number(grace) },
        })
        .then(({ data }) => data && setShown({ name: data.name, secret: data.api_key })),
    );
    setBusy(false);
  }

  async function done() {
    onDone();
    await refresh("/api/api-keys");
  }

  return (
    <Modal
      opened={opened}
      onClose={shown ? done : onClose}
      title={shown ? "Your new key" : `Rotate “${item.name}”`}
      size={shown ? "xl" : "md"}
      closeOnClickOutside={!shown}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {shown ? (
        <SecretShown shown={shown} onDone={done} />
      ) : (
        <Stack>
          <Text size="sm">
            A new key takes its place, with the same rights; limits count on. The old one works until you have changed
            your programs.
          </Text>
          <Select
            label="The old key ends"
            allowDeselect={false}
            data={GRACES}
            value={grace}
            onChange={(value) => value && setGrace(value)}
          />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button onClick={rotate} loading={busy}>
              Rotate
            </Button>
          </Group>
        </Stack>
      )}
    </Modal>
  );
}
