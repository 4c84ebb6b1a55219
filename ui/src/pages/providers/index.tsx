// Providers: those that are connected, with their credentials, weights and health; and all others there could be.
//
// Law: what is shown is in the address: `q` is searched for, `add` a provider that gets a credential, `credential` open.
import { Alert, Button, Card, Group, SimpleGrid, Stack, Text, TextInput, Title } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import { IconPlugConnected, IconPlus, IconSearch } from "@tabler/icons-react";
import { useRef } from "react";
import { $api } from "../../api/client";
import { useMay } from "../../api/session";
import { useAddress } from "../../app/router";
import { Asked } from "../../parts/Asked";
import type { ProviderCard } from "../../parts/credentials";
import { Nothing } from "../../parts/Nothing";
import { Page } from "../../parts/Page";
import { AddCredential, OWN } from "./AddCredential";
import { CredentialPanel } from "./CredentialPanel";
import { ProviderSection } from "./ProviderSection";
import { type Connected, useProviders } from "./useProviders";

const OWN_IN_ADDRESS = "your-own";

export default function Providers() {
  const [address, change] = useAddress();
  const field = useRef<HTMLInputElement>(null);
  useHotkeys([["/", () => field.current?.focus()]]);
  const may = useMay("manage");
  const { providers, credentials, all } = useProviders();
  const search = typeof address.q === "string" ? address.q : "";
  const adding =
    address.add === OWN_IN_ADDRESS ? OWN : all.find(({ provider }) => provider.provider_id === address.add)?.provider;
  const opened = all.find((one) => one.credentials.some(({ id }) => id === address.credential));
  const credential = opened?.credentials.find(({ id }) => id === address.credential);
  return (
    <Page
      title="Providers"
      about="Your credentials, each with its share of the calls, what it serves, and how it is now."
      actions={
        <Button
          leftSection={<IconPlus size={16} />}
          disabled={!may}
          title={may ? undefined : "An administrator adds providers"}
          onClick={() => change({ add: OWN_IN_ADDRESS })}
        >
          Your own provider
        </Button>
      }
    >
      <TextInput
        ref={field}
        aria-label="Search providers"
        placeholder="Search providers"
        leftSection={<IconSearch size={16} />}
        value={search}
        onChange={(event) => change({ q: event.currentTarget.value || null }, true)}
        w={{ base: "100%", xs: 320 }}
      />
      <Asked query={providers}>
        {() => (
          <Asked query={credentials}>
            {() => (
              <Lists
                all={all.filter(({ provider }) => isMeant(provider, search))}
                search={search}
                onOpen={(id) => change({ credential: id })}
                onAdd={(provider) => change({ add: provider.provider_id })}
              />
            )}
          </Asked>
        )}
      </Asked>
      <AddCredential
        provider={adding ?? null}
        taken={all.find(({ provider }) => provider === adding)?.credentials.map(({ name }) => name) ?? []}
        onClose={() => change({ add: null })}
      />
      {opened && credential && (
        <CredentialPanel
          key={credential.id}
          credential={credential}
          provider={opened.provider}
          onClose={() => change({ credential: null })}
        />
      )}
    </Page>
  );
}

interface ListsProps {
  all: readonly Connected[];
  search: string;
  onOpen: (id: string) => void;
  onAdd: (provider: ProviderCard) => void;
}

function Lists({ all, search, onOpen, onAdd }: ListsProps) {
  const may = useMay("manage");
  const usedBy = useUsers();
  const connected = all.filter(({ credentials }) => credentials.length > 0);
  const others = all.filter(({ credentials }) => credentials.length === 0);
  if (all.length === 0) {
    return (
      <Nothing icon={IconSearch} title="No provider goes by that name">
        Any server that speaks OpenAI's format can be added as a provider of your own, by its address.
      </Nothing>
    );
  }
  return (
    <Stack gap="lg">
      {connected.length === 0 && !search && (
        <Alert icon={<IconPlugConnected />} color="gantry" variant="light" title="No provider is connected yet">
          Choose one below and paste its key, or start the gateway with the key in its environment, as MISTRAL_API_KEY.
        </Alert>
      )}
      <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="md">
        {connected.map((one) => (
          <ProviderSection
            key={one.provider.provider_id}
            {...one}
            usedBy={usedBy(one.provider)}
            onOpen={({ id }) => onOpen(id)}
            onAdd={() => onAdd(one.provider)}
          />
        ))}
      </SimpleGrid>
      {others.length > 0 && (
        <section aria-label="Not connected">
          <Title order={2} size="h4" mb="xs">
            Not connected
          </Title>
          <SimpleGrid cols={{ base: 1, xs: 2, md: 3, lg: 4 }} spacing="xs">
            {others.map(({ provider }) => (
              <Card key={provider.provider_id} withBorder padding="xs">
                <Group justify="space-between" wrap="nowrap" gap="xs">
                  <div style={{ minWidth: 0 }}>
                    <Text size="sm" fw={600} truncate>
                      {provider.provider_name}
                    </Text>
                    <Text size="xs" c="dimmed" truncate>
                      {provider.environment[0] ?? `${provider.prefix}/…`}
                    </Text>
                  </div>
                  <Button
                    size="compact-sm"
                    variant="default"
                    disabled={!may}
                    onClick={() => onAdd(provider)}
                    aria-label={`Connect ${provider.provider_name}`}
                    style={{ flexShrink: 0 }}
                  >
                    Connect
                  </Button>
                </Group>
              </Card>
            ))}
          </SimpleGrid>
        </section>
      )}
    </Stack>
  );
}

/** What leads to a provider by its name: load balance groups, and models of your own. */
function useUsers(): (provider: ProviderCard) => string[] {
  const groups = $api.useQuery("get", "/api/load-balance-groups");
  return (provider) => {
    const prefix = `${provider.prefix}/`;
    return (groups.data ?? [])
      .filter(({ models }) => models.some(({ model }) => model.startsWith(prefix)))
      .map(({ group_id }) => `the group ${group_id}`);
  };
}

function isMeant(provider: ProviderCard, search: string): boolean {
  const words = search.trim().toLowerCase();
  return [provider.provider_name, provider.provider_id, provider.prefix].some((name) =>
    name.toLowerCase().includes(words),
  );
}
