// One side of the playground: which model, and the conversation with it.
import { Alert, Anchor, Autocomplete, Card, Group, Loader, Stack, Text } from "@mantine/core";
import { IconMessage2Code } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { Nothing } from "../../parts/Nothing";
import { Prose } from "../../parts/Prose";
import { useRecorded } from "../../parts/useRecorded";
import { count, duration, money } from "../../parts/words";
import type { Talk, Turn } from "./talk";

interface Props {
  label: string;
  model: string;
  models: string[];
  talk: Talk;
  onModel: (model: string) => void;
}

export function Column({ label, model, models, talk, onModel }: Props) {
  return (
    <Card withBorder padding="md">
      <Stack>
        <Autocomplete
          label={label}
          placeholder="provider/model, an alias, or a load balance group"
          limit={60}
          data={models}
          value={model}
          onChange={onModel}
        />
        {talk.turns.length === 0 ? (
          <Nothing icon={IconMessage2Code} title="Nothing is said yet">
            Any model of a connected provider answers here. What it took and cost stands below each answer.
          </Nothing>
        ) : (
          <Stack gap="sm" aria-live="polite" aria-busy={talk.busy}>
            {talk.turns.map((turn, place) => (
              <Said key={place} turn={turn} done={!talk.busy || place < talk.turns.length - 1} />
            ))}
          </Stack>
        )}
      </Stack>
    </Card>
  );
}

function Said({ turn, done }: { turn: Turn; done: boolean }) {
  if (turn.error) {
    return (
      <Alert color="red" variant="light" title={turn.model} role="alert">
        {turn.error}
      </Alert>
    );
  }
  return (
    <div>
      <Text size="xs" c="dimmed" fw={600}>
        {turn.role === "user" ? "You" : turn.model || "Assistant"}
      </Text>
      {turn.text ? (
        <Prose text={turn.text} />
      ) : (
        <Loader size="xs" type="dots" aria-label="Waiting for the first token" />
      )}
      {turn.answer && done && <Took turn={turn} />}
    </div>
  );
}

function Took({ turn: { answer } }: { turn: Turn }) {
  const recorded = useRecorded(answer?.logId ?? null);
  if (!answer) {
    return null;
  }
  return (
    <Group gap="xs" mt={2}>
      <Text size="xs" c="dimmed" className="numeric">
        {[
          answer.first !== null && `first token ${duration(answer.first / 1000)}`,
          answer.took !== null && duration(answer.took / 1000),
          recorded && `${count(recorded.completion_tokens)} tokens`,
          recorded && money(recorded.cost),
        ]
          .filter(Boolean)
          .join(" · ")}
      </Text>
      {answer.logId && (
        <Anchor
          size="xs"
          underline="always"
          component={Link}
          {...({ to: "/logs", search: { log: answer.logId } } as object)}
        >
          log
        </Anchor>
      )}
    </Group>
  );
}
