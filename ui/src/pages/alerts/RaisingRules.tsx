// When alerts are raised: which events at all, and beyond which numbers. Limits have percentages of their own, on Limits.
import { Button, Card, Checkbox, Group, NumberInput, SimpleGrid, Stack, Title } from "@mantine/core";
import { useState } from "react";
import { $api, api, refresh, type Shapes } from "../../api/client";
import { Asked } from "../../parts/Asked";
import { told } from "../../parts/told";
import { EVENTS, type Event } from "./words";

type Rules = Shapes["AlertRulesItem"];
type Figure = Exclude<keyof Rules, "off">;

/** These are asked for, or come with every call: no rule raises them. */
const ASKED_FOR: readonly string[] = ["test", "request_log"];

const FIGURES: {
  title: string;
  figures: { name: Figure; label: string; description: string; min: number; max: number; prefix?: string }[];
}[] = [
  {
    title: "Provider errors",
    figures: [
      {
        name: "error_percent",
        label: "Failed, in per cent",
        description: "of a deployment's last calls, by the provider's fault",
        min: 1,
        max: 100,
      },
      { name: "error_requests", label: "Calls at least", description: "fewer tell nothing", min: 1, max: 1_000_000 },
      {
        name: "error_minutes",
        label: "In so many minutes",
        description: "that the last calls are of",
        min: 1,
        max: 60,
      },
    ],
  },
  {
    title: "Spend anomaly: an hour above all three",
    figures: [
      {
        name: "anomaly_floor",
        label: "Dollars an hour",
        description: "that nobody needs to hear of",
        min: 0,
        max: 1e9,
        prefix: "$",
      },
      {
        name: "anomaly_deviations",
        label: "Deviations",
        description: "from the median of the same hour of 28 days",
        min: 0.1,
        max: 1e6,
      },
      { name: "anomaly_ratio", label: "Times the highest", description: "of those hours but one", min: 1.1, max: 1e6 },
    ],
  },
];

export function RaisingRules() {
  const rules = $api.useQuery("get", "/api/alerts/rules");
  return <Asked query={rules}>{(known) => <Form key={JSON.stringify(known)} known={known} />}</Asked>;
}

function Form({ known }: { known: Rules }) {
  const [draft, setDraft] = useState<Rules>(known);
  const [busy, setBusy] = useState(false);
  const change = (part: Partial<Rules>) => setDraft((before) => ({ ...before, ...part }));
  const raised = EVENTS.filter(({ event }) => !ASKED_FOR.includes(event));

  async function save() {
    setBusy(true);
    if (await told(api.PATCH("/api/alerts/rules", { body: draft }), "The rules are changed.")) {
      await refresh("/api/alerts/rules");
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
      <Stack maw={980}>
        <Card withBorder padding="md">
          <Checkbox.Group
            label="Events that are raised"
            description="What is taken out is neither kept nor told to anybody."
            value={raised.map(({ event }) => event).filter((event) => !draft.off.includes(event))}
            onChange={(on) =>
              change({
                off: [
                  ...draft.off.filter((event) => ASKED_FOR.includes(event)),
                  ...raised.map(({ event }) => event).filter((event: Event) => !on.includes(event)),
                ],
              })
            }
          >
            <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm" mt="sm">
              {raised.map(({ event, label, means, again }) => (
                <Checkbox key={event} value={event} label={label} description={`${means} Said again ${again}.`} />
              ))}
            </SimpleGrid>
          </Checkbox.Group>
        </Card>
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
          {FIGURES.map(({ title, figures }) => (
            <Card key={title} withBorder padding="md">
              <Title order={2} size="h5" mb="sm">
                {title}
              </Title>
              <Stack gap="sm">
                {figures.map(({ name, ...field }) => (
                  <NumberInput
                    key={name}
                    {...field}
                    allowDecimal={name.startsWith("anomaly")}
                    value={draft[name]}
                    onChange={(value) => typeof value === "number" && change({ [name]: value })}
                  />
                ))}
              </Stack>
            </Card>
          ))}
        </SimpleGrid>
        <Group justify="flex-end">
          <Button type="submit" loading={busy} disabled={JSON.stringify(draft) === JSON.stringify(known)}>
            Save
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
