// The playground: a conversation with any model, or with two at once, by calls that are logged and paid for like any.
import { Alert, Button, Group, NumberInput, SimpleGrid, Stack, Switch, Textarea } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import { IconSend, IconTrash } from "@tabler/icons-react";
import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { $api } from "../../api/client";
import { useMay } from "../../api/session";
import { useAddress } from "../../app/router";
import { Page } from "../../parts/Page";
import { useModels } from "../../parts/useModels";
import { Column } from "./Column";
import { fromLog, type Talk, useTalk } from "./talk";

export default function Playground() {
  const mayCall = useMay("inference");
  const [search, change] = useAddress();
  const models = useModels();
  const two = typeof search.other === "string";
  const model = typeof search.model === "string" ? search.model : usual(models);
  const [system, setSystem] = useState("");
  const [text, setText] = useState("");
  const [temperature, setTemperature] = useState<number | null>(null);
  const [most, setMost] = useState<number | "">("");
  const box = useRef<HTMLTextAreaElement>(null);
  const terms = { system, temperature, most: most === "" ? null : most };
  const left = useTalk();
  const right = useTalk();
  useHotkeys([["/", () => box.current?.focus()]]);
  useOpened(typeof search.log === "string" ? search.log : null, left, setSystem, (name) =>
    change({ model: name, log: null }, true),
  );

  const busy = left.busy || (two && right.busy);
  const columns: [string, Talk, string][] = [
    ["model", left, model],
    ...(two ? ([["other", right, String(search.other)]] as [string, Talk, string][]) : []),
  ];

  function send() {
    if (!text.trim() || busy) {
      return;
    }
    for (const [, talk, name] of columns) {
      talk.say(name, text, terms);
    }
    setText("");
  }

  function stop() {
    left.stop();
    right.stop();
  }

  function clear() {
    left.clear();
    right.clear();
    box.current?.focus();
  }

  return (
    <Page
      title="Playground"
      about="Each turn is a call through this gateway: routed, limited, priced and logged like those of your programs."
      actions={
        <>
          <Switch
            label="Compare two"
            checked={two}
            onChange={(event) => change({ other: event.currentTarget.checked ? (models[1] ?? model) : null }, true)}
          />
          <Button variant="default" leftSection={<IconTrash size={16} />} onClick={clear}>
            Clear
          </Button>
        </>
      }
    >
      {!mayCall && (
        <Alert color="yellow">Your role only looks: calling models takes the role of a member. Ask an admin.</Alert>
      )}
      <SimpleGrid cols={{ base: 1, md: two ? 2 : 1 }}>
        {columns.map(([member, talk, name]) => (
          <Column
            key={member}
            label={two ? (member === "model" ? "First model" : "Second model") : "Model"}
            model={name}
            models={models}
            talk={talk}
            onModel={(next) => change({ [member]: next }, true)}
          />
        ))}
      </SimpleGrid>
      <Stack gap="xs">
        <Textarea
          ref={box}
          aria-label="What you say"
          placeholder="Say something. Enter sends, Shift+Enter begins a line."
          autosize
          minRows={2}
          maxRows={12}
          disabled={!mayCall}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          onKeyDown={(event: KeyboardEvent) => {
            if (event.key === "Enter" && !event.shiftKey) {
              event.preventDefault();
              send();
            }
          }}
        />
        <Group justify="space-between" align="flex-end">
          <Group align="flex-end">
            <NumberInput
              label="Temperature"
              placeholder="unset"
              w={120}
              min={0}
              max={2}
              step={0.1}
              value={temperature ?? ""}
              onChange={(value) => setTemperature(value === "" ? null : Number(value))}
            />
            <NumberInput
              label="Most tokens"
              placeholder="unset"
              w={120}
              min={1}
              value={most}
              onChange={(value) => setMost(value === "" ? "" : Number(value))}
            />
          </Group>
          {busy ? (
            <Button variant="default" onClick={stop}>
              Stop
            </Button>
          ) : (
            <Button leftSection={<IconSend size={16} />} disabled={!mayCall || !model || !text.trim()} onClick={send}>
              Send
            </Button>
          )}
        </Group>
        <Textarea
          label="System prompt"
          autosize
          minRows={1}
          maxRows={8}
          disabled={!mayCall}
          value={system}
          onChange={(event) => setSystem(event.currentTarget.value)}
        />
      </Stack>
    </Page>
  );
}

function usual(models: readonly string[]): string {
  return models.find((name) => name === "mistral/mistral-large-latest") ?? models[0] ?? "";
}

/** Take up the conversation of a log, once. */
function useOpened(id: string | null, talk: Talk, setSystem: (text: string) => void, onModel: (name: string) => void) {
  const log = $api.useQuery(
    "get",
    "/api/request-logs/{log_id}",
    { params: { path: { log_id: id ?? "" } } },
    { enabled: id !== null },
  );
  const taken = useRef<string | null>(null);
  useEffect(() => {
    if (id === null || taken.current === id || !log.data) {
      return;
    }
    taken.current = id;
    const { system, turns } = fromLog(log.data);
    setSystem(system);
    talk.begin(turns);
    onModel(log.data.provider_id ? `${log.data.provider_id}/${log.data.model}` : (log.data.model ?? ""));
  }, [id, log.data, talk, setSystem, onModel]);
}
