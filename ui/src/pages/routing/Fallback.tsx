// What follows when a model fails: models in their order, for every call whose model's rule has none of its own.
import { Alert, Card, Code, Stack, Text, Title } from "@mantine/core";
import { IconInfoCircle } from "@tabler/icons-react";
import { CodeBlock } from "../../parts/Copy";
import { ModelOrder } from "./ModelOrder";
import type { Draft } from "./useDraft";

export function Fallback({ draft, locked }: { draft: Draft; locked: boolean }) {
  const models = draft.rules.fallback_models ?? [];
  const own = (draft.rules.models ?? []).filter((rule) => rule.fallback_models?.length);
  return (
    <Stack maw={820}>
      <Card withBorder padding="md">
        <Title order={2} size="h5">
          For all calls
        </Title>
        <Text size="sm" c="dimmed" mb="sm">
          When a provider fails before it has answered anything, its other credentials are tried, then these models in
          this order, in whatever format their providers speak.
        </Text>
        {models.length === 0 && (
          <Text size="sm" mb="sm">
            There is none: a call whose model fails is told the failure.
          </Text>
        )}
        <ModelOrder
          label="Fallback models"
          models={models}
          locked={locked}
          onChange={(fallback_models) => draft.change({ fallback_models })}
        />
      </Card>
      {own.length > 0 && (
        <Alert variant="light" color="gray" icon={<IconInfoCircle />}>
          {own.map(({ match, fallback_models }) => (
            <Text size="sm" key={match}>
              Calls to <Code>{match}</Code> go to {fallback_models?.join(", then ")} instead.
            </Text>
          ))}
        </Alert>
      )}
      <Card withBorder padding="md">
        <Text size="sm" mb="xs">
          A call may say its own, which then hold in place of these, or none at all with <Code>disable_fallback</Code>:
        </Text>
        <CodeBlock
          code={`client.chat.completions.create(
    model="mistral/mistral-large-latest",
    messages=[{"role": "user", "content": "Hello!"}],
    extra_body={"fallback_models": ["mistral/mistral-small-latest"]},
)`}
        />
      </Card>
    </Stack>
  );
}
