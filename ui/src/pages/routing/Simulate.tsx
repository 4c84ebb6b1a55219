// "What would happen?": a request, built or pasted, and where it would go, by the draft or by the rules that hold.
import {
  Button,
  Card,
  Group,
  JsonInput,
  SegmentedControl,
  Select,
  SimpleGrid,
  Stack,
  Text,
  TextInput,
} from "@mantine/core";
import { IconArrowsSplit2 } from "@tabler/icons-react";
import { useState } from "react";
import { useMay } from "../../api/session";
import { Failed } from "../../parts/Failed";
import { Nothing } from "../../parts/Nothing";
import { ModelInput } from "./ModelInput";
import { SimulatedRoute } from "./SimulatedRoute";
import { PATHS, simulate, type Told } from "./simulating";
import type { Draft } from "./useDraft";

type Kind = "model" | "group" | "json";
type By = "draft" | "live";

export function Simulate({ draft }: { draft: Draft }) {
  const may = useMay("inference");
  const groups = draft.rules.groups ?? [];
  const [kind, setKind] = useState<Kind>("model");
  const [model, setModel] = useState("");
  const [group, setGroup] = useState<string | null>(groups[0]?.id ?? null);
  const [words, setWords] = useState("Hello!");
  const [json, setJson] = useState("");
  const [path, setPath] = useState<string>(PATHS[0].value);
  const [wanted, setWanted] = useState<By>("draft");
  const [answer, setAnswer] = useState<{ told: Told; by: By } | null>(null);
  const [fault, setFault] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const by: By = draft.changed.length > 0 ? wanted : "live";
  const ready = { model: model.trim() !== "", group: group !== null, json: isObject(json) }[kind];

  /** The request as JSON, which building it by hand may begin from. */
  function requestOf(): object {
    if (kind === "json") {
      return JSON.parse(json) as object;
    }
    const asked = kind === "group" ? { load_balance_group: { group_id: group } } : { model: model.trim() };
    return { ...asked, messages: [{ role: "user", content: words }] };
  }

  function choose(next: Kind) {
    if (next === "json" && json === "" && ready) {
      setJson(JSON.stringify(requestOf(), null, 2));
    }
    setKind(next);
  }

  async function ask() {
    setBusy(true);
    setFault(null);
    try {
      const asked = kind === "json" ? path : PATHS[0].value;
      setAnswer({ told: await simulate(requestOf(), asked, by === "draft" ? draft.rules : null), by });
    } catch (error) {
      setAnswer(null);
      setFault(error);
    }
    setBusy(false);
  }

  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="md">
      <Card withBorder padding="md">
        <form
          onSubmit={(event) => {
            event.preventDefault();
            ask();
          }}
        >
          <Stack gap="sm">
            <SegmentedControl
              aria-label="What the request names"
              data={[
                { value: "model", label: "A model" },
                { value: "group", label: "A group" },
                { value: "json", label: "JSON" },
              ]}
              value={kind}
              onChange={(value) => choose(value as Kind)}
            />
            {kind === "model" && <ModelInput label="Model" value={model} onChange={setModel} />}
            {kind === "group" && (
              <Select
                label="Group"
                data={groups.map(({ id, name }) => ({ value: id, label: name ? `${name} (${id})` : id }))}
                placeholder={groups.length ? undefined : "There is no group yet"}
                allowDeselect={false}
                value={group}
                onChange={setGroup}
              />
            )}
            {kind === "json" ? (
              <>
                <Select
                  label="Posted to"
                  data={[...PATHS]}
                  allowDeselect={false}
                  value={path}
                  onChange={(value) => value && setPath(value)}
                />
                <JsonInput
                  label="Request"
                  description="Its body, with everything that a call would say"
                  autosize
                  minRows={8}
                  maxRows={20}
                  formatOnBlur
                  validationError="This is no JSON"
                  styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
                  value={json}
                  onChange={setJson}
                />
              </>
            ) : (
              <TextInput label="Message" value={words} onChange={(event) => setWords(event.currentTarget.value)} />
            )}
            {draft.changed.length > 0 && (
              <SegmentedControl
                aria-label="By which rules"
                data={[
                  { value: "draft", label: "By the draft" },
                  { value: "live", label: "By the rules that hold" },
                ]}
                value={by}
                onChange={(value) => setWanted(value as By)}
              />
            )}
            <Group justify="space-between" gap="xs">
              <Text size="xs" c="dimmed" flex="1 1 180px">
                {may
                  ? "Nobody is called, and nothing is recorded."
                  : "Your role may not ask this: it takes the right to call."}
              </Text>
              <Button type="submit" loading={busy} disabled={!ready || !may}>
                Where would it go?
              </Button>
            </Group>
          </Stack>
        </form>
      </Card>
      <div aria-live="polite">
        {fault !== null && <Failed error={fault} />}
        {answer ? (
          <SimulatedRoute told={answer.told} by={answer.by} />
        ) : (
          fault === null && (
            <Nothing icon={IconArrowsSplit2} title="Nothing is asked yet">
              The answer has who could serve the request, with shares, and each attempt in its order, as if each failed.
              The same by the command line: <code>gantry route explain MODEL</code>
            </Nothing>
          )
        )}
      </div>
    </SimpleGrid>
  );
}

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
