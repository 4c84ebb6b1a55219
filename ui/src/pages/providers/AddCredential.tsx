// The dialog that adds a credential, for a provider of the catalogue or for a server of your own. It can be tried before.
import { Alert, Button, Divider, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { api, refresh } from "../../api/client";
import { CredentialFields } from "../../parts/CredentialFields";
import { credentialForm, type Draft, EMPTY, isWhole, type ProviderCard, type Verdict } from "../../parts/credentials";
import { told } from "../../parts/told";
import { VerdictAlert } from "../../parts/VerdictAlert";
import { ServiceFields } from "./ServiceFields";

/** A server that speaks OpenAI's format, which nobody has named yet. */
export const OWN: ProviderCard = {
  provider_id: "",
  provider_name: "A provider of your own",
  prefix: "",
  base_url: "",
  needs_base_url: true,
  is_custom: true,
  dialects: ["openai_chat"],
  environment: [],
  credential_fields: [
    { name: "api_key", label: "API key", secret: true, required: false, default: "", json: false, address: false },
  ],
  either: [],
  testable: true,
};

interface Props {
  provider: ProviderCard | null;
  /** Names of the credentials that the provider has already. */
  taken: readonly string[];
  onClose: () => void;
}

export function AddCredential({ provider, taken, onClose }: Props) {
  return (
    <Modal
      opened={provider !== null}
      onClose={onClose}
      title={
        provider ? (provider === OWN ? "Add your own provider" : `Add a credential for ${provider.provider_name}`) : ""
      }
      size="lg"
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {provider && <Form key={provider.provider_id} provider={provider} taken={taken} onClose={onClose} />}
    </Modal>
  );
}

function Form({ provider, taken, onClose }: Props & { provider: ProviderCard }) {
  const [draft, setDraft] = useState<Draft>(() => ({ ...EMPTY, name: freeName(taken) }));
  const [providerId, setProviderId] = useState("");
  const [busy, setBusy] = useState<"test" | "add" | null>(null);
  const [verdict, setVerdict] = useState<Verdict | null>(null);
  const change = (part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part }));
  const isOwn = provider === OWN;
  const body = credentialForm(isOwn ? providerId.trim() : provider.provider_id, draft);
  const ready = isWhole(provider, draft) && body.provider_id !== "" && draft.name.trim() !== "";

  async function run(what: "test" | "add", act: () => Promise<unknown>, done?: string) {
    setBusy(what);
    setVerdict(null);
    const isDone = await told(act(), done);
    setBusy(null);
    return isDone;
  }

  async function add() {
    if (await run("add", () => api.POST("/api/credentials", { body }), "The credential is added, and live.")) {
      onClose();
      await refresh("/api/credentials", "/api/providers", "/api/models");
    }
  }

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        add();
      }}
    >
      <Stack>
        {isOwn && (
          <>
            <Text size="sm">
              Any server that speaks OpenAI's format: vLLM, Ollama, a colleague's proxy. Its models are then called by
              this name, a slash, and theirs.
            </Text>
            <TextInput
              label="Name of the provider"
              description="Lower-case letters, digits and dashes"
              placeholder="local"
              required
              data-autofocus
              value={providerId}
              onChange={(event) => setProviderId(event.currentTarget.value)}
            />
          </>
        )}
        <CredentialFields provider={provider} draft={draft} onChange={change} withAddress />
        <Divider label="What it serves" labelPosition="left" />
        <TextInput
          label="Name of the credential"
          description="What it is called in logs"
          required
          value={draft.name}
          error={taken.includes(draft.name.trim()) ? "There is one of this name" : undefined}
          onChange={(event) => change({ name: event.currentTarget.value })}
        />
        <ServiceFields draft={draft} onChange={change} />
        {verdict && <VerdictAlert verdict={verdict} />}
        {!provider.testable && (
          <Alert color="gray" variant="light">
            {provider.provider_name} has no free request that proves a key: the first call will tell.
          </Alert>
        )}
        <Group justify="flex-end" gap="xs">
          <Button
            variant="default"
            disabled={!ready || !provider.testable}
            loading={busy === "test"}
            onClick={() =>
              run("test", async () => {
                const { data } = await api.POST("/api/credentials/test", { body });
                setVerdict(data ?? null);
              })
            }
          >
            Test for free
          </Button>
          <Button type="submit" loading={busy === "add"} disabled={!ready || taken.includes(draft.name.trim())}>
            Add
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function freeName(taken: readonly string[]): string {
  let name = "default";
  for (let number = 2; taken.includes(name); number++) {
    name = `key-${number}`;
  }
  return name;
}
