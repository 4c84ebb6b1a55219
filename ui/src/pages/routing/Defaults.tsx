// What holds for every call that says nothing else: how often the same is tried again, and the response cache.
import { Anchor, Card, NumberInput, SimpleGrid, Stack, Switch, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { duration } from "../../parts/words";
import { type CacheRule, given, USUAL_CACHE, USUAL_RETRIES } from "./rules";
import type { Draft } from "./useDraft";

interface Props {
  draft: Draft;
  locked: boolean;
}

export function Defaults({ draft, locked }: Props) {
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="md">
      <Retries draft={draft} locked={locked} />
      <Cache draft={draft} locked={locked} />
    </SimpleGrid>
  );
}

function Retries({ draft, locked }: Props) {
  const { retries } = draft.rules;
  const { num_retries = USUAL_RETRIES.num_retries, retry_after = USUAL_RETRIES.retry_after } = retries ?? {};
  const change = (part: object) => draft.change({ retries: { num_retries, retry_after, ...part } });
  return (
    <Card withBorder padding="md">
      <Title order={2} size="h5">
        Retries
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        When all that could serve a call have failed for a passing reason, the same is asked again.
      </Text>
      <Stack gap="sm">
        <Switch
          label="Try again"
          checked={retries !== undefined}
          disabled={locked}
          onChange={(event) =>
            draft.change({ retries: event.currentTarget.checked ? { ...USUAL_RETRIES } : undefined })
          }
        />
        {retries && (
          <>
            <NumberInput
              label="At most so often"
              min={0}
              max={12}
              allowDecimal={false}
              disabled={locked}
              value={num_retries}
              onChange={(value) => typeof value === "number" && change({ num_retries: value })}
            />
            <NumberInput
              label="First pause, in seconds"
              description="Each next one is twice as long"
              min={0.01}
              max={10}
              step={0.1}
              disabled={locked}
              value={retry_after}
              onChange={(value) => typeof value === "number" && value > 0 && change({ retry_after: value })}
            />
            <Text size="sm" c="dimmed">
              {pauses(num_retries, retry_after)}
            </Text>
          </>
        )}
      </Stack>
    </Card>
  );
}

function pauses(times: number, first: number): string {
  if (times === 0) {
    return "With none, a call is told the first round's failure.";
  }
  const shown = Array.from({ length: Math.min(times, 4) }, (_, place) => duration(first * 2 ** place));
  return `Pauses of ${shown.join(", ")}${times > 4 ? "…" : ""}; longer where the provider says so itself.`;
}

const CHOICES = [
  {
    name: "by_model",
    label: "Apart for each model",
    means: "Off: another model's answer to the same messages may serve",
  },
  { name: "by_customer", label: "Apart for each customer", means: "On: nobody is answered with what another was told" },
  { name: "omit_log", label: "No log of answers out of the cache", means: "On: they are not in Logs, nor in its sums" },
] as const;

function Cache({ draft, locked }: Props) {
  const cache = { ...USUAL_CACHE, ...draft.rules.cache };
  const change = (part: CacheRule) => {
    const said = { ...draft.rules.cache, ...part };
    const kept = Object.entries(said).filter(([name, value]) => value !== USUAL_CACHE[name as keyof CacheRule]);
    draft.change({ cache: given(Object.fromEntries(kept)) });
  };
  return (
    <Card withBorder padding="md">
      <Title order={2} size="h5">
        Response cache
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        The same request again is answered with what was answered before, at once and for nothing. What it has saved is
        on{" "}
        <Anchor component={Link} underline="always" {...({ to: "/caches" } as object)}>
          Caches
        </Anchor>
        .
      </Text>
      <Stack gap="sm">
        <Switch
          label="For all calls that do not say it themselves"
          checked={cache.enabled}
          disabled={locked}
          onChange={(event) => change({ enabled: event.currentTarget.checked })}
        />
        <NumberInput
          label="An answer serves for so many seconds"
          description={duration(cache.ttl)}
          min={1}
          max={31_536_000}
          allowDecimal={false}
          thousandSeparator=" "
          disabled={locked}
          value={cache.ttl}
          onChange={(value) => typeof value === "number" && value > 0 && change({ ttl: value })}
        />
        {CHOICES.map(({ name, label, means }) => (
          <Switch
            key={name}
            label={label}
            description={means}
            checked={cache[name]}
            disabled={locked}
            onChange={(event) => change({ [name]: event.currentTarget.checked })}
          />
        ))}
      </Stack>
    </Card>
  );
}
