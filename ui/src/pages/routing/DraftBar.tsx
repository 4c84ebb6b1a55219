// What is not saved yet: which parts, what that changes, and the way out of it: saved with a note, or discarded.
import { Alert, Button, Code, Group, Modal, Paper, Stack, Text, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconPencil } from "@tabler/icons-react";
import { useState } from "react";
import { Refusal, refresh, type Shapes } from "../../api/client";
import { confirm } from "../../parts/confirm";
import { Failed } from "../../parts/Failed";
import { told } from "../../parts/told";
import { Diff } from "./Diff";
import styles from "./routing.module.css";
import type { Rules } from "./rules";
import type { Draft } from "./useDraft";

const PARTS: Record<keyof Rules, string> = {
  groups: "groups",
  fallback_models: "the fallback",
  retries: "retries",
  models: "rules by model",
  cache: "the cache",
};

interface Props {
  live: Shapes["RulesItem"];
  draft: Draft;
  locked: boolean;
}

export function DraftBar({ live, draft, locked }: Props) {
  const [opened, { open, close }] = useDisclosure();
  if (draft.changed.length === 0) {
    return null;
  }
  const discard = () =>
    confirm({
      title: "Discard the draft?",
      body: `What was changed of ${draft.changed.map((part) => PARTS[part]).join(", ")} is forgotten. The rules that hold stay as they are.`,
      act: "Discard",
      onConfirm: draft.discard,
    });
  return (
    <Paper withBorder p="xs" shadow="sm" className={styles.bar} role="region" aria-label="Draft">
      <Group justify="space-between" gap="xs">
        <Group gap="xs" wrap="nowrap">
          <IconPencil size={18} aria-hidden />
          <Text size="sm">
            Not saved: {draft.changed.map((part) => PARTS[part]).join(", ")}. Calls still go by version {live.version}.
          </Text>
        </Group>
        <Group gap="xs">
          <Button size="xs" variant="default" onClick={discard}>
            Discard
          </Button>
          <Button size="xs" onClick={open} disabled={locked} title={locked ? "These rules are read-only" : undefined}>
            Review and save…
          </Button>
        </Group>
      </Group>
      <Modal
        opened={opened}
        onClose={close}
        title="Save the rules"
        size="xl"
        closeButtonProps={{ "aria-label": "Close" }}
      >
        <Save live={live} draft={draft} onDone={close} />
      </Modal>
    </Paper>
  );
}

function Save({ live, draft, onDone }: Omit<Props, "locked"> & { onDone: () => void }) {
  const [note, setNote] = useState("");
  const [fault, setFault] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);

  async function save() {
    setBusy(true);
    setFault(null);
    try {
      await draft.save(note.trim(), draft.outdated ? live.version : draft.version);
      await told(Promise.resolve(), "The rules are saved, and calls go by them.");
      onDone();
    } catch (error) {
      setFault(error);
      if (error instanceof Refusal && error.status === 412) {
        await refresh("/api/routing");
      }
    }
    setBusy(false);
  }

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        save();
      }}
    >
      <Stack>
        {draft.outdated && (
          <Alert color="yellow" variant="light" title={`Version ${live.version} holds by now`}>
            The draft was made from version {draft.version}. Below is what saving it would change of what{" "}
            {live.author ?? "somebody"} wrote; if that is not meant, discard the draft and begin from theirs.
          </Alert>
        )}
        {fault !== null && <Failed error={fault} />}
        <Text size="sm">
          Lines with <Code>-</Code> go, lines with <Code>+</Code> come.
        </Text>
        <Diff before={live.document} after={draft.rules} label="What is changed" />
        <TextInput
          label="Note"
          description="Why, for whoever reads the history. May stay empty."
          maxLength={500}
          value={note}
          onChange={(event) => setNote(event.currentTarget.value)}
        />
        <Group justify="flex-end">
          <Button type="submit" loading={busy}>
            {draft.outdated ? `Save over version ${live.version}` : "Save"}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
