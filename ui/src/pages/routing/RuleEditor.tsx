// The dialog of a rule for models. What stays empty is as for all calls.
import { Button, Divider, Group, Modal, NumberInput, Select, SimpleGrid, Stack } from "@mantine/core";
import { useState } from "react";
import { ModelInput } from "./ModelInput";
import { ModelOrder } from "./ModelOrder";
import { AFFINITIES, choices, given, type ModelRule, STRATEGIES, TIMEOUTS, USUAL_HEDGE_SHARE } from "./rules";

interface Props {
  opened: boolean;
  rule: ModelRule | null;
  /** Patterns of the other rules. */
  taken: readonly string[];
  onKeep: (rule: ModelRule) => void;
  onClose: () => void;
}

export function RuleEditor(props: Props) {
  return (
    <Modal
      opened={props.opened}
      onClose={props.onClose}
      title={props.rule ? `Change the rule for ${props.rule.match}` : "Add a rule by model"}
      size="lg"
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {props.opened && <Form {...props} />}
    </Modal>
  );
}

type Typed = number | string;

function Form({ rule, taken, onKeep, onClose }: Props) {
  const [draft, setDraft] = useState<ModelRule>(rule ?? { match: "" });
  const change = (part: Partial<ModelRule>) => setDraft((before) => given({ ...before, ...part }));
  const match = draft.match.trim();
  const fault = taken.includes(match) ? "Another rule has this pattern" : undefined;
  const ready = match !== "" && !fault;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (ready) {
          onKeep({ ...draft, match });
        }
      }}
    >
      <Stack>
        <ModelInput
          label="Models"
          description="A name as callers write it, or a pattern with *"
          placeholder="mistral-large-*"
          required
          data-autofocus
          value={draft.match}
          error={fault}
          onChange={(value) => change({ match: value })}
        />
        <Divider label="If it fails" labelPosition="left" />
        <ModelOrder
          label="Fallback of the rule"
          models={draft.fallback_models ?? []}
          onChange={(fallback_models) => change({ fallback_models })}
        />
        <SimpleGrid cols={{ base: 1, xs: 2 }}>
          <NumberInput
            label="Retries"
            description="How often the same is asked again; 0 to 12"
            min={0}
            max={12}
            allowDecimal={false}
            value={draft.retries?.num_retries ?? ""}
            onChange={(value) => change({ retries: retriesOf({ ...draft.retries, num_retries: numberOf(value) }) })}
          />
          <NumberInput
            label="First pause, in seconds"
            description="Each next one is twice as long"
            min={0.01}
            max={10}
            step={0.1}
            value={draft.retries?.retry_after ?? ""}
            onChange={(value) => change({ retries: retriesOf({ ...draft.retries, retry_after: numberOf(value) }) })}
          />
        </SimpleGrid>
        <Divider label="Deadlines, in seconds" labelPosition="left" />
        <SimpleGrid cols={2}>
          {TIMEOUTS.map(({ name, label }) => (
            <NumberInput
              key={name}
              label={label}
              min={0.01}
              max={3600}
              value={draft[name] ?? ""}
              onChange={(value) => change({ [name]: numberOf(value) })}
            />
          ))}
        </SimpleGrid>
        <Divider label="A second attempt beside a slow one" labelPosition="left" />
        <SimpleGrid cols={{ base: 1, xs: 2 }}>
          <NumberInput
            label="After so many seconds"
            description="Empty: never"
            min={0.01}
            max={3600}
            value={draft.hedge?.after ?? ""}
            onChange={(value) => {
              const after = numberOf(value);
              change({ hedge: after === undefined ? undefined : { ...draft.hedge, after } });
            }}
          />
          <NumberInput
            label="For so many per cent of the calls"
            description="Both attempts may be billed"
            min={0.1}
            max={100}
            disabled={!draft.hedge}
            value={draft.hedge ? Math.round((draft.hedge.share ?? USUAL_HEDGE_SHARE) * 1000) / 10 : ""}
            onChange={(value) => {
              const share = numberOf(value);
              if (draft.hedge) {
                change({ hedge: given({ ...draft.hedge, share: share && share / 100 }) });
              }
            }}
          />
        </SimpleGrid>
        <Divider label="Between the credentials of the model" labelPosition="left" />
        <Select
          label="Who takes a call"
          placeholder="by weight"
          data={choices(STRATEGIES)}
          clearable
          value={draft.strategy ?? null}
          onChange={(strategy) => change({ strategy: (strategy ?? undefined) as ModelRule["strategy"] })}
        />
        <Select
          label="Whether conversations stay"
          placeholder="long ones do"
          data={choices(AFFINITIES)}
          clearable
          value={draft.affinity ?? null}
          onChange={(affinity) => change({ affinity: (affinity ?? undefined) as ModelRule["affinity"] })}
        />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" disabled={!ready}>
            Put it into the draft
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function numberOf(value: Typed): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function retriesOf(retries: NonNullable<ModelRule["retries"]>): ModelRule["retries"] {
  const said = given(retries);
  return Object.keys(said).length ? said : undefined;
}
