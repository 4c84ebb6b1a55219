// A connected provider: its credentials, each with its share of the calls, what it serves, and how it is.
import { Anchor, Badge, Button, Card, Code, Divider, Group, Stack, Text, Title, Tooltip } from "@mantine/core";
import { IconHome, IconLock, IconPlus } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { Fragment } from "react";
import { useMay } from "../../api/session";
import { type Credential, declaredBy } from "../../parts/credentials";
import { logsOf } from "../../parts/links";
import { percent } from "../../parts/words";
import { Health } from "./Health";
import { TestButton } from "./TestButton";
import { type Connected, type Deployment, healthOf, shareOf } from "./useProviders";

interface Props extends Connected {
  usedBy: readonly string[];
  onOpen: (credential: Credential) => void;
  onAdd: () => void;
}

export function ProviderSection({ provider, credentials, health, usedBy, onOpen, onAdd }: Props) {
  const may = useMay("manage");
  return (
    <Card withBorder padding="md" component="section" aria-label={provider.provider_name}>
      <Group justify="space-between" gap="xs" mb="sm">
        <Group gap="xs">
          <Title order={2} size="h4">
            {provider.provider_name}
          </Title>
          <Code>{provider.prefix}/…</Code>
          {provider.is_custom && (
            <Badge variant="default" tt="none">
              Your own
            </Badge>
          )}
        </Group>
        <Button
          size="compact-sm"
          variant="default"
          leftSection={<IconPlus size={14} />}
          onClick={onAdd}
          disabled={!may}
        >
          Add credential
        </Button>
      </Group>
      <Stack gap="sm">
        {credentials.map((credential, place) => (
          <Fragment key={credential.id}>
            {place > 0 && <Divider />}
            <Row
              credential={credential}
              share={shareOf(credential, credentials)}
              health={healthOf(credential, health)}
              onOpen={() => onOpen(credential)}
            />
          </Fragment>
        ))}
      </Stack>
      <Group gap="md" mt="auto" pt="sm">
        <Anchor
          component={Link}
          {...({ to: "/models", search: { provider: provider.provider_id } } as object)}
          size="xs"
        >
          Its models
        </Anchor>
        <Anchor component={Link} {...logsOf("provider_id", provider.provider_id)} size="xs">
          Its logs
        </Anchor>
        {usedBy.length > 0 && (
          <Text size="xs" c="dimmed">
            Used by {usedBy.join(", ")}
          </Text>
        )}
      </Group>
    </Card>
  );
}

interface RowProps {
  credential: Credential;
  share: number;
  health: readonly Deployment[];
  onOpen: () => void;
}

function Row({ credential, share, health, onOpen }: RowProps) {
  const secret = Object.values(credential.fields).join(" · ");
  const facts = [
    credential.weight === 0 ? "drained" : `weight ${credential.weight}, ${percent(share, 0)} of calls`,
    served(credential),
    credential.environment === null ? "all keys" : `${credential.environment === "prod" ? "production" : "test"} keys`,
  ];
  return (
    <div>
      <Group justify="space-between" gap="xs" align="flex-start">
        <Group gap={6}>
          <Anchor component="button" type="button" onClick={onOpen} size="sm" fw={600}>
            {credential.name}
          </Anchor>
          <Signs credential={credential} />
          {secret && <Code fz="xs">{secret}</Code>}
        </Group>
        <Group gap="xs">
          <Health deployments={health} />
          <TestButton credential={credential} />
        </Group>
      </Group>
      <Text size="xs" c="dimmed" mt={2}>
        {facts.join(" · ")}
      </Text>
      <Text size="xs" c="dimmed">
        {credential.base_url}
      </Text>
    </div>
  );
}

function Signs({ credential }: { credential: Credential }) {
  const declared = declaredBy(credential);
  return (
    <>
      {declared && (
        <Tooltip label={declared} multiline maw={280}>
          <IconLock size={14} aria-label={declared} role="img" />
        </Tooltip>
      )}
      {credential.home && (
        <Tooltip label="Home: files, batches, agents and the like live with this account" multiline maw={280}>
          <IconHome size={14} aria-label="Home of files, batches and agents" role="img" />
        </Tooltip>
      )}
      {credential.platform && (
        <Badge variant="default" tt="none">
          for everybody
        </Badge>
      )}
    </>
  );
}

function served({ available_models, exclude_models }: Credential): string {
  const listed = available_models.join(", ") || "all models";
  return exclude_models.length > 0 ? `${listed} but ${exclude_models.join(", ")}` : listed;
}
