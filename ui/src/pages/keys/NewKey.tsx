// The dialog that makes a key, and then shows its secret, once, with what to paste it into.
import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { api, refresh } from "../../api/client";
import { KeyShown } from "../../parts/KeyShown";
import { Snippets } from "../../parts/Snippets";
import { told } from "../../parts/told";
import { type KeyDraft, keyForm, NEW_KEY } from "./draft";
import { KeyFields } from "./KeyFields";

export interface ShownKey {
  name: string;
  secret: string;
}

export function NewKey({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const [draft, setDraft] = useState<KeyDraft>(NEW_KEY);
  const [busy, setBusy] = useState(false);
  const [made, setMade] = useState<ShownKey | null>(null);

  async function make() {
    setBusy(true);
    await told(
      api.POST("/api/api-keys", { body: keyForm(draft) }).then(({ data }) => {
        if (data) {
          setMade({ name: data.name, secret: data.api_key });
        }
        return refresh("/api/api-keys");
      }),
    );
    setBusy(false);
  }

  function close() {
    onClose();
    setMade(null);
    setDraft(NEW_KEY);
  }

  return (
    <Modal
      opened={opened}
      onClose={close}
      title={made ? "Your key" : "New API key"}
      size={made ? "xl" : "lg"}
      closeOnClickOutside={!made}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {made ? (
        <SecretShown shown={made} onDone={close} />
      ) : (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            make();
          }}
        >
          <Stack>
            <KeyFields draft={draft} onChange={(part) => setDraft((before) => ({ ...before, ...part }))} />
            <Group justify="flex-end">
              <Button variant="default" onClick={close}>
                Cancel
              </Button>
              <Button type="submit" loading={busy} disabled={!draft.name.trim() || draft.scopes.length === 0}>
                Make the key
              </Button>
            </Group>
          </Stack>
        </form>
      )}
    </Modal>
  );
}

export function SecretShown({ shown, onDone }: { shown: ShownKey; onDone: () => void }) {
  return (
    <Stack>
      <KeyShown name={shown.name} secret={shown.secret} />
      <Text size="sm" fw={600}>
        Call with it
      </Text>
      <Snippets secret={shown.secret} />
      <Group justify="flex-end">
        <Button onClick={onDone}>I have copied it</Button>
      </Group>
    </Stack>
  );
}
