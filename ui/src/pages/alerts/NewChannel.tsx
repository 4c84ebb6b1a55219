// The dialog that makes a channel. Of a webhook it then shows the secret that signs, once, with what checks it.
import { Alert, Button, Code, Group, Modal, SegmentedControl, Stack, Text, TextInput } from "@mantine/core";
import { IconKey } from "@tabler/icons-react";
import { useState } from "react";
import { api, refresh, type Shapes } from "../../api/client";
import { CodeBlock, Copy } from "../../parts/Copy";
import { Failed } from "../../parts/Failed";
import { EventFields, type ToldOf, toldOfForm } from "./EventFields";
import { KINDS, type Kind, programOf } from "./words";

type Made = Shapes["NewChannelItem"];

const TARGETS: Record<Kind, { label: string; placeholder: string; description: string }> = {
  webhook: {
    label: "URL",
    placeholder: "https://hooks.example.com/gantry",
    description: "It gets a POST of JSON, signed. One within your own network is added by the operator, by command",
  },
  slack: {
    label: "Slack's webhook URL",
    placeholder: "https://hooks.slack.com/services/…",
    description: "Or that of anything that understands Slack's webhooks. It is kept as a secret",
  },
  email: {
    label: "E-mail addresses",
    placeholder: "ada@example.com, bob@example.com",
    description: "With commas between them. The gateway needs a mail server: smtp_url in gantry.toml",
  },
};

export function NewChannel({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const [made, setMade] = useState<Made | null>(null);

  function close() {
    onClose();
    setMade(null);
  }

  return (
    <Modal
      opened={opened}
      onClose={close}
      title={made ? `The channel ${made.name} is made` : "Add a channel"}
      size="lg"
      closeOnClickOutside={!made}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {made?.secret ? (
        <SecretOf secret={made.secret} onDone={close} />
      ) : (
        opened && <Form onMade={(channel) => (channel.secret ? setMade(channel) : close())} />
      )}
    </Modal>
  );
}

function Form({ onMade }: { onMade: (made: Made) => void }) {
  const [kind, setKind] = useState<Kind>("webhook");
  const [name, setName] = useState("");
  const [target, setTarget] = useState("");
  const [toldOf, setToldOf] = useState<ToldOf>({ events: [], all: true, environment: "both" });
  const [fault, setFault] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);

  async function make() {
    setBusy(true);
    setFault(null);
    try {
      const body = { name: name.trim(), kind, target: target.trim(), ...toldOfForm(toldOf) };
      const { data } = await api.POST("/api/alert-channels", { body });
      await refresh("/api/alert-channels");
      onMade(data as Made);
    } catch (error) {
      setFault(error);
      setBusy(false);
    }
  }

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        make();
      }}
    >
      <Stack>
        {fault !== null && <Failed error={fault} />}
        <SegmentedControl
          aria-label="Kind"
          data={(Object.keys(KINDS) as Kind[]).map((value) => ({ value, label: KINDS[value] }))}
          value={kind}
          onChange={(value) => {
            setKind(value as Kind);
            setToldOf((before) => ({ ...before, events: before.events.filter((event) => event !== "request_log") }));
          }}
        />
        <TextInput
          label="Name"
          placeholder="ops"
          required
          maxLength={100}
          data-autofocus
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <TextInput
          {...TARGETS[kind]}
          required
          value={target}
          onChange={(event) => setTarget(event.currentTarget.value)}
        />
        <EventFields kind={kind} toldOf={toldOf} onChange={(part) => setToldOf((before) => ({ ...before, ...part }))} />
        <Group justify="flex-end">
          <Button
            type="submit"
            loading={busy}
            disabled={!name.trim() || !target.trim() || (!toldOf.all && toldOf.events.length === 0)}
          >
            Add
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function SecretOf({ secret, onDone }: { secret: string; onDone: () => void }) {
  return (
    <Stack>
      <Alert color="teal" variant="light" icon={<IconKey />} title="The secret that signs for it">
        <Group gap="xs" wrap="nowrap">
          <Code data-testid="secret" fz="sm" style={{ overflowWrap: "anywhere" }}>
            {secret}
          </Code>
          <Copy value={secret} label="Copy the secret" />
        </Group>
        <Text size="sm" mt="xs">
          Copy it now: it is shown this once.
        </Text>
      </Alert>
      <Text size="sm">
        Whoever receives checks <Code>X-Gantry-Signature</Code> with it, and refuses what is not ours or minutes old:
      </Text>
      <CodeBlock code={programOf("What a webhook is sent")} />
      <Group justify="flex-end">
        <Button onClick={onDone}>I have copied it</Button>
      </Group>
    </Stack>
  );
}
