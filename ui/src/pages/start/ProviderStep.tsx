// Step 1: a credential for a provider. Those that are there already are shown, with where they came from.
import { Anchor, Badge, Button, Code, Group, Select, Stack, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { $api, api, refresh } from "../../api/client";
import { useMay } from "../../api/session";
import { Asked } from "../../parts/Asked";
import { CredentialFields } from "../../parts/CredentialFields";
import {
  type Credential,
  credentialForm,
  EMPTY,
  isWhole,
  type ProviderCard,
  type Verdict,
} from "../../parts/credentials";
import { told } from "../../parts/told";
import { VerdictAlert } from "../../parts/VerdictAlert";
import { Step } from "./Step";

export function ProviderStep() {
  const credentials = $api.useQuery("get", "/api/credentials");
  const providers = $api.useQuery("get", "/api/providers/catalogue");
  const known = credentials.data ?? [];
  return (
    <Step
      number={1}
      title="A provider"
      done={known.length > 0}
      about="Whose models you call. Your key for it is sealed, shown to nobody, and sent to that provider alone."
    >
      <Asked query={credentials} rows={1}>
        {(credentials) => (
          <Asked query={providers} rows={1}>
            {(providers) => <Providers credentials={credentials} providers={providers} />}
          </Asked>
        )}
      </Asked>
    </Step>
  );
}

function Providers({ credentials, providers }: { credentials: Credential[]; providers: ProviderCard[] }) {
  const [adding, setAdding] = useState(false);
  const may = useMay("manage");
  const names = new Map(providers.map((provider) => [provider.provider_id, provider.provider_name]));
  return (
    <Stack gap="sm">
      {credentials.length > 0 && (
        <Group gap="xs">
          {credentials.map((credential) => (
            <Badge key={credential.id} variant="default" size="lg" tt="none" fw={500}>
              {names.get(credential.provider_id) ?? credential.provider_id} · {whence(credential)}
            </Badge>
          ))}
        </Group>
      )}
      {!may ? (
        credentials.length === 0 && <Text size="sm">An administrator of your organization adds one.</Text>
      ) : credentials.length === 0 || adding ? (
        <AddProvider providers={providers} onDone={() => setAdding(false)} />
      ) : (
        <Group gap="xs">
          <Button size="xs" variant="default" onClick={() => setAdding(true)}>
            Add another
          </Button>
          <Button size="xs" variant="subtle" component={Link} to="/providers">
            All providers
          </Button>
        </Group>
      )}
    </Stack>
  );
}

function whence({ source, name }: Credential): string {
  return source ? `found as $${source}` : name;
}

function AddProvider({ providers, onDone }: { providers: ProviderCard[]; onDone: () => void }) {
  const [chosen, choose] = useState("mistral");
  const [draft, setDraft] = useState(EMPTY);
  const [elsewhere, setElsewhere] = useState(false);
  const [busy, setBusy] = useState<"test" | "add" | null>(null);
  const [verdict, setVerdict] = useState<Verdict | null>(null);
  const provider = providers.find(({ provider_id }) => provider_id === chosen);
  if (!provider) {
    return null;
  }
  const body = credentialForm(provider.provider_id, draft);

  async function act(what: "test" | "add", act: () => Promise<unknown>, done?: string) {
    setBusy(what);
    setVerdict(null);
    const isDone = await told(act(), done);
    setBusy(null);
    return isDone;
  }

  return (
    <form
      onSubmit={async (event) => {
        event.preventDefault();
        if (await act("add", () => api.POST("/api/credentials", { body }), `${provider.provider_name} is connected.`)) {
          await refresh("/api/credentials", "/api/providers", "/api/models");
          onDone();
        }
      }}
    >
      <Stack gap="sm" maw={520}>
        <Select
          label="Provider"
          searchable
          allowDeselect={false}
          data={providers.map(({ provider_id, provider_name }) => ({ value: provider_id, label: provider_name }))}
          value={chosen}
          onChange={(value) => {
            if (value) {
              choose(value);
              setDraft(EMPTY);
              setVerdict(null);
            }
          }}
        />
        <CredentialFields
          provider={provider}
          draft={draft}
          withAddress={elsewhere}
          onChange={(part) => setDraft((before) => ({ ...before, ...part }))}
        />
        <Group gap="xs">
          <Button type="submit" loading={busy === "add"} disabled={!isWhole(provider, draft)}>
            Connect
          </Button>
          {provider.testable && (
            <Button
              variant="default"
              loading={busy === "test"}
              disabled={!isWhole(provider, draft)}
              onClick={() =>
                act("test", async () => {
                  const { data } = await api.POST("/api/credentials/test", { body });
                  setVerdict(data ?? null);
                })
              }
            >
              Test for free
            </Button>
          )}
        </Group>
        {verdict && <VerdictAlert verdict={verdict} />}
        {!elsewhere && !provider.needs_base_url && (
          <Anchor component="button" type="button" size="xs" ta="left" onClick={() => setElsewhere(true)}>
            It is reached at another address
          </Anchor>
        )}
        {provider.environment[0] && (
          <Text size="xs" c="dimmed">
            Or start the gateway with <Code>{provider.environment[0]}</Code> in its environment: it is then found by
            itself, and never stored.
          </Text>
        )}
      </Stack>
    </form>
  );
}
