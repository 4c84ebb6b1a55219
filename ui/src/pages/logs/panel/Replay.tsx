// The same conversation, answered by another model: both answers side by side, with what they took and cost.
import { Anchor, Autocomplete, Button, Group, SimpleGrid, Stack, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { type FormEvent, type ReactNode, useEffect, useRef, useState } from "react";
import type { Shapes } from "../../../api/client";
import { type Answer, NOTHING_YET } from "../../../parts/calling";
import { Failed } from "../../../parts/Failed";
import { Prose } from "../../../parts/Prose";
import { useModels } from "../../../parts/useModels";
import { useRecorded } from "../../../parts/useRecorded";
import { count, duration, money } from "../../../parts/words";
import { Turns } from "./Conversation";
import { turnsOf } from "./conversation";
import styles from "./panel.module.css";
import { keepsAll, replay } from "./replaying";

type Log = Shapes["FullLog"];

export function Replay({ log }: { log: Log }) {
  const [model, setModel] = useState("");
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [fault, setFault] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const [asked, setAsked] = useState("");
  const leaving = useRef<AbortController>(null);
  const models = useModels();
  const recorded = useRecorded(busy ? null : (answer?.logId ?? null));
  useEffect(() => () => leaving.current?.abort(), []);

  async function run(event: FormEvent) {
    event.preventDefault();
    leaving.current = new AbortController();
    setBusy(true);
    setFault(null);
    setAnswer(NOTHING_YET);
    setAsked(model);
    try {
      setAnswer(await replay(log, model.trim(), leaving.current.signal, setAnswer));
    } catch (error) {
      if (!leaving.current.signal.aborted) {
        setFault(error);
      }
    } finally {
      setBusy(false);
    }
  }

  return (
    <Stack gap="md">
      <Text size="sm" c="dimmed">
        {keepsAll(log) ? "This request is" : "The messages of this log, without its tools, are"} sent again, by a call
        of its own that is recorded and paid for like any other.
      </Text>
      <form onSubmit={run}>
        <Group gap="xs" align="flex-end">
          <Autocomplete
            label="Model"
            placeholder="provider/model"
            flex={1}
            size="sm"
            limit={60}
            data={models}
            value={model}
            onChange={setModel}
          />
          {busy ? (
            <Button size="sm" variant="default" onClick={() => leaving.current?.abort()}>
              Stop
            </Button>
          ) : (
            <Button size="sm" type="submit" disabled={!model.trim()}>
              Replay
            </Button>
          )}
        </Group>
      </form>
      {fault !== null && <Failed error={fault} />}
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
        <Side
          title={log.model ?? "As it was"}
          figures={[duration(log.latency), count(log.completion_tokens), money(log.cost)]}
        >
          <Turns turns={turnsOf(log).answered} answer />
        </Side>
        {answer && (
          <Side
            title={asked}
            figures={
              recorded
                ? [duration(recorded.latency), count(recorded.completion_tokens), money(recorded.cost)]
                : [answer.took === null ? "…" : duration(answer.took / 1000), "…", "…"]
            }
          >
            <div className={styles.turn} aria-live="polite" aria-busy={busy}>
              <Prose text={answer.text} />
              {answer.calls && (
                <Text size="sm" ff="monospace">
                  {answer.calls}
                </Text>
              )}
              {!answer.text && !answer.calls && (
                <Text size="sm" c="dimmed">
                  {busy ? "Waiting for the first token…" : "No text was answered."}
                </Text>
              )}
            </div>
            {recorded && (
              <Anchor
                component={Link}
                size="xs"
                {...({
                  to: ".",
                  search: (before: object) => ({ ...before, log: recorded.id, tab: undefined }),
                } as object)}
              >
                Its log
              </Anchor>
            )}
          </Side>
        )}
      </SimpleGrid>
    </Stack>
  );
}

function Side({ title, figures, children }: { title: string; figures: string[]; children: ReactNode }) {
  const [took, tokens, cost] = figures;
  return (
    <section>
      <Text size="sm" fw={650} truncate title={title}>
        {title}
      </Text>
      <Text size="xs" c="dimmed" mb={6} className="numeric">
        {took} · {tokens} tokens out · {cost}
      </Text>
      {children}
    </section>
  );
}
