// One credential: what it serves, its secrets given anew, home, removal. One that is declared elsewhere is read-only.
import { Alert, Button, Code, Divider, Drawer, Group, Stack, Text } from "@mantine/core";
import { IconLock } from "@tabler/icons-react";
import { useState } from "react";
import { api, refresh } from "../../api/client";
import { useMay } from "../../api/session";
import { CredentialFields } from "../../parts/CredentialFields";
import { confirm } from "../../parts/confirm";
import {
  type Credential,
  type Draft,
  declaredBy,
  EMPTY,
  given,
  isWhole,
  type ProviderCard,
  serviceForm,
} from "../../parts/credentials";
import { told } from "../../parts/told";
import { When } from "../../parts/When";
import { ServiceFields } from "./ServiceFields";

interface Props {
  credential: Credential;
  provider: ProviderCard;
  onClose: () => void;
}

export function CredentialPanel({ credential, provider, onClose }: Props) {
  const may = useMay("manage");
  const declared = declaredBy(credential);
  const locked = !may || declared !== null;
  return (
    <Drawer
      opened
      onClose={onClose}
      position="right"
      size="lg"
      title={`${provider.provider_name} · ${credential.name}`}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <Stack>
        {declared && (
          <Alert color="gray" variant="light" icon={<IconLock />}>
            {declared}
          </Alert>
        )}
        <Text size="sm" component="div">
          Calls <Code>{credential.base_url}</Code>, added <When at={credential.created_at} />.
        </Text>
        <Service credential={credential} locked={locked} />
        {!locked && <Secrets credential={credential} provider={provider} />}
        {may && <Home credential={credential} provider={provider} />}
        {!locked && <Remove credential={credential} onClose={onClose} />}
      </Stack>
    </Drawer>
  );
}

function Service({ credential, locked }: { credential: Credential; locked: boolean }) {
  const [draft, setDraft] = useState<Draft>(() => draftOf(credential));
  const [busy, setBusy] = useState(false);

  async function save() {
    setBusy(true);
    const params = { path: { credential: credential.id } };
    const change = api.PATCH("/api/credentials/{credential}", { params, body: serviceForm(draft) });
    if (await told(change, "The credential is changed.")) {
      await refresh("/api/credentials");
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
      <Stack gap="sm">
        <Divider label="What it serves" labelPosition="left" />
        <ServiceFields
          draft={draft}
          disabled={locked}
          onChange={(part) => setDraft((before) => ({ ...before, ...part }))}
        />
        {!locked && (
          <Group justify="flex-end">
            <Button
              type="submit"
              loading={busy}
              disabled={JSON.stringify(draft) === JSON.stringify(draftOf(credential))}
            >
              Save
            </Button>
          </Group>
        )}
      </Stack>
    </form>
  );
}

function Secrets({ credential, provider }: { credential: Credential; provider: ProviderCard }) {
  const [opened, setOpened] = useState(false);
  const [draft, setDraft] = useState<Draft>(() => blank(credential, provider));
  const [busy, setBusy] = useState(false);

  async function save() {
    setBusy(true);
    const params = { path: { credential: credential.id } };
    const body = { fields: given(draft.fields), base_url: draft.baseUrl.trim() || null };
    if (await told(api.PUT("/api/credentials/{credential}", { params, body }), "The secret is replaced.")) {
      setOpened(false);
      setDraft(blank(credential, provider));
      await refresh("/api/credentials");
    }
    setBusy(false);
  }

  return (
    <Stack gap="sm">
      <Divider label="Its secret" labelPosition="left" />
      <Group justify="space-between">
        <Code>{Object.values(credential.fields).join(" · ") || "none"}</Code>
        {!opened && (
          <Button size="xs" variant="default" onClick={() => setOpened(true)}>
            Replace…
          </Button>
        )}
      </Group>
      {opened && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            save();
          }}
        >
          <Stack gap="sm">
            <Text size="sm" c="dimmed">
              Say it anew, and whole. What is stored now is forgotten.
            </Text>
            <CredentialFields
              provider={provider}
              draft={draft}
              withAddress
              onChange={(part) => setDraft((before) => ({ ...before, ...part }))}
            />
            <Group justify="flex-end" gap="xs">
              <Button variant="default" onClick={() => setOpened(false)}>
                Cancel
              </Button>
              <Button type="submit" loading={busy} disabled={!isWhole(provider, draft)}>
                Replace
              </Button>
            </Group>
          </Stack>
        </form>
      )}
    </Stack>
  );
}

function Home({ credential, provider }: { credential: Credential; provider: ProviderCard }) {
  async function choose() {
    const params = { path: { credential: credential.id } };
    if (await told(api.POST("/api/credentials/{credential}/home", { params }), "It is home from now on.")) {
      await refresh("/api/credentials");
    }
  }

  return (
    <Stack gap="sm">
      <Divider label="Home" labelPosition="left" />
      <Group justify="space-between" wrap="nowrap" align="flex-start">
        <Text size="sm">
          {credential.home
            ? `Files, batches, agents, conversations and the like at ${provider.provider_name} live with this account.`
            : `Files, batches, agents and the like at ${provider.provider_name} live with another account. What is there stays there.`}
        </Text>
        {!credential.home && !credential.platform && (
          <Button size="xs" variant="default" onClick={choose} style={{ flexShrink: 0 }}>
            Make it home
          </Button>
        )}
      </Group>
    </Stack>
  );
}

function Remove({ credential, onClose }: { credential: Credential; onClose: () => void }) {
  function ask() {
    confirm({
      title: `Remove ${credential.provider_id}/${credential.name}?`,
      body: "Calls go to the provider's other credentials, or fail where there is none. Its secret is forgotten.",
      act: "Remove",
      onConfirm: async () => {
        const params = { path: { credential: credential.id } };
        const removed = api.DELETE("/api/credentials/{credential}", { params });
        if (await told(removed, "The credential is removed.")) {
          onClose();
          const warnings = (await removed).data?.warnings ?? [];
          await told(warnings.length ? Promise.reject(new Error(warnings.join(" "))) : Promise.resolve());
          await refresh("/api/credentials", "/api/providers", "/api/models", "/api/routing");
        }
      },
    });
  }

  return (
    <>
      <Divider />
      <Group justify="flex-start">
        <Button variant="light" color="red" onClick={ask}>
          Remove…
        </Button>
      </Group>
    </>
  );
}

function draftOf({ name, weight, available_models, exclude_models, environment }: Credential): Draft {
  return {
    ...EMPTY,
    name,
    weight,
    models: available_models,
    excluded: exclude_models,
    environment: environment ?? "all",
  };
}

/** What is no secret is there already; secrets are typed anew. */
function blank(credential: Credential, provider: ProviderCard): Draft {
  const plain = provider.credential_fields.filter(({ secret }) => !secret);
  const address = provider.credential_fields.find((field) => field.address);
  const fields = Object.fromEntries(plain.map(({ name }) => [name, credential.fields[name] ?? ""]));
  return {
    ...EMPTY,
    fields: address ? { ...fields, [address.name]: credential.base_url } : fields,
    baseUrl: address || credential.base_url === provider.base_url ? "" : credential.base_url,
  };
}
