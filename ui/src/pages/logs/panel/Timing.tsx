// When what happened: the attempts of a call one under the other, and why each was made.
import { Badge, Card, Group, Stack, Text } from "@mantine/core";
import type { Shapes } from "../../../api/client";
import { whyWords } from "../../../parts/why";
import { duration, moment, money } from "../../../parts/words";
import { Facts } from "./Facts";
import styles from "./panel.module.css";

type Attempt = Shapes["AttemptItem"];

export function Timing({ log }: { log: Shapes["FullLog"] }) {
  const attempts = [...(log.attempts ?? [])].sort((a, b) => (a.began ?? 0) - (b.began ?? 0));
  const whole = Math.max(log.latency ?? 0, ...attempts.map(({ began, duration }) => (began ?? 0) + (duration ?? 0)));
  return (
    <Stack gap="md">
      <Facts
        facts={[
          { name: "Began", value: moment(log.start_time) },
          { name: "Ended", value: moment(log.timestamp) },
          { name: "Latency", value: duration(log.latency) },
          {
            name: "To first token",
            value: log.time_to_first_token === null ? null : duration(log.time_to_first_token),
          },
          { name: "In the gateway", value: log.routing_time === null ? null : duration(log.routing_time) },
          {
            name: "Speed",
            value: log.tokens_per_second === null ? null : `${log.tokens_per_second.toFixed(1)} tokens per second`,
          },
          { name: "Streamed", value: log.stream ? "yes" : "no" },
          { name: "Tier", value: log.tier && TIERS[log.tier] },
        ]}
      />
      {attempts.length === 0 ? (
        <Text size="sm" c="dimmed">
          {log.cache_hit ? "The answer was in the response cache: no provider was asked." : "No provider was asked."}
        </Text>
      ) : (
        <Stack gap="xs" role="list" aria-label="Attempts">
          {attempts.map((attempt, place) => (
            <AttemptCard key={`${place}-${attempt.credential_id}`} attempt={attempt} place={place} whole={whole} />
          ))}
        </Stack>
      )}
    </Stack>
  );
}

const TIERS: Record<string, string> = {
  relay: "relayed as it came",
  adapt: "adapted to the provider",
  translate: "translated to the provider's format",
};

function AttemptCard({ attempt, place, whole }: { attempt: Attempt; place: number; whole: number }) {
  const good = attempt.outcome === "success";
  const began = attempt.began ?? 0;
  return (
    <Card withBorder padding="sm" role="listitem">
      <Group justify="space-between" gap="xs" wrap="nowrap" align="flex-start">
        <Text size="sm" fw={600}>
          {place + 1}. {attempt.provider_id}
          {attempt.upstream_model && ` / ${attempt.upstream_model}`}
        </Text>
        <Badge size="sm" radius="sm" variant="default" tt="none" style={{ flexShrink: 0 }}>
          {attempt.status ?? ""} {attempt.outcome}
        </Badge>
      </Group>
      <Text size="xs" c="dimmed" mb={6}>
        {whyWords(attempt)} · credential {attempt.credential_name}
        {attempt.upstream_host && ` at ${attempt.upstream_host}`}
      </Text>
      <Track attempt={attempt} whole={whole} good={good} />
      <Group gap="md" mt={4} fz="xs" className="numeric">
        <span>after {duration(began)}</span>
        {attempt.connect !== null && <span>connect {duration(attempt.connect)}</span>}
        {attempt.first_byte !== null && <span>first byte {duration(attempt.first_byte)}</span>}
        <span>took {duration(attempt.duration)}</span>
        {attempt.cost !== null && (
          <span>
            {attempt.cost_estimated && "about "}
            {money(attempt.cost)}
          </span>
        )}
      </Group>
      {attempt.error && (
        <Text size="xs" mt={4} c="var(--mantine-color-error)" lineClamp={6}>
          {attempt.error}
        </Text>
      )}
      {attempt.unsent && (
        <Text size="xs" mt={4} c="dimmed">
          Nothing of it was sent.
        </Text>
      )}
    </Card>
  );
}

/** Where in the whole call it was: waiting for the first byte pale, the rest strong. */
function Track({ attempt, whole, good }: { attempt: Attempt; whole: number; good: boolean }) {
  const part = (seconds: number) => `${whole ? (100 * seconds) / whole : 100}%`;
  const began = attempt.began ?? 0;
  const took = attempt.duration ?? 0;
  const waited = Math.min(attempt.first_byte ?? took, took);
  const colour = good ? "var(--mantine-color-anchor)" : "var(--mantine-color-error)";
  return (
    <div className={styles.track} aria-hidden>
      <div
        className={styles.bar}
        style={{ left: part(began), width: part(waited), background: colour, opacity: 0.45 }}
      />
      <div
        className={styles.bar}
        style={{ left: part(began + waited), width: part(took - waited), background: colour }}
      />
    </div>
  );
}
