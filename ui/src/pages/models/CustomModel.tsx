// A model of your own: another name for a model, with prices, limits and capabilities of your own where you say them.
import { Alert, Button, Group, Modal, NumberInput, Select, SimpleGrid, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { api, refresh, type Shapes } from "../../api/client";
import { confirm } from "../../parts/confirm";
import type { ProviderCard } from "../../parts/credentials";
import { told } from "../../parts/told";
import type { Model } from "./question";

interface Props {
  /** The model to change; without one, a new one is made. */
  model: Model | null;
  base: string;
  providers: readonly ProviderCard[];
  onClose: () => void;
  onRemoved: () => void;
}

interface ModelDraft {
  name: string;
  base: string;
  displayName: string;
  provider: string | null;
  input: number | string;
  output: number | string;
  cached: number | string;
  written: number | string;
  context: number | string;
}

export function CustomModel({ model, base, providers, onClose, onRemoved }: Props) {
  const [draft, setDraft] = useState<ModelDraft>(() => draftOf(model, base));
  const [busy, setBusy] = useState(false);
  const change = (part: Partial<ModelDraft>) => setDraft((before) => ({ ...before, ...part }));

  async function save() {
    setBusy(true);
    const body = formOf(draft);
    const saved = model
      ? api.PATCH("/api/models/{model_name}", { params: { path: { model_name: model.model_name } }, body })
      : api.POST("/api/models", { body });
    if (await told(saved, model ? "The model is changed." : "The model is made.")) {
      onClose();
      await refresh("/api/models");
    }
    setBusy(false);
  }

  function remove(model: Model) {
    confirm({
      title: `Remove ${model.model_name}?`,
      body: "Calls by its name lead again where they would without it.",
      act: "Remove",
      onConfirm: async () => {
        const params = { path: { model_name: model.model_name } };
        if (await told(api.DELETE("/api/models/{model_name}", { params }), "The model is removed.")) {
          onRemoved();
          await refresh("/api/models");
        }
      },
    });
  }

  return (
    <Modal
      opened
      onClose={onClose}
      title={model ? `Change ${model.model_name}` : "A model of your own"}
      size="lg"
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          save();
        }}
      >
        <Stack>
          {!model && (
            <Text size="sm">
              An alias for a model that you can change in one place, or a price list of your own. Callers use its name
              like any other.
            </Text>
          )}
          <TextInput
            label="Name"
            description="What callers write"
            required
            disabled={model !== null}
            data-autofocus
            value={draft.name}
            onChange={(event) => change({ name: event.currentTarget.value })}
          />
          <TextInput
            label="Leads to"
            description="The model that is called: mistral/mistral-large-latest. Left empty, a name of the provider below"
            value={draft.base}
            onChange={(event) => change({ base: event.currentTarget.value })}
          />
          <SimpleGrid cols={{ base: 1, xs: 2 }}>
            <TextInput
              label="Shown as"
              value={draft.displayName}
              onChange={(event) => change({ displayName: event.currentTarget.value })}
            />
            <Select
              label="Provider"
              placeholder="As its base"
              clearable
              clearButtonProps={{ "aria-label": "As its base" }}
              searchable
              data={providers.map(({ provider_id, provider_name }) => ({ value: provider_id, label: provider_name }))}
              value={draft.provider}
              onChange={(provider) => change({ provider })}
            />
          </SimpleGrid>
          <CostFields draft={draft} onChange={change} />
          {model?.managed_by && (
            <Alert color="gray" variant="light">
              It is declared in {model.managed_by}; change it there.
            </Alert>
          )}
          <Group justify="space-between">
            {model ? (
              <Button variant="light" color="red" onClick={() => remove(model)}>
                Remove…
              </Button>
            ) : (
              <span />
            )}
            <Button
              type="submit"
              loading={busy}
              disabled={!draft.name.trim() || (!draft.base.trim() && !draft.provider)}
            >
              {model ? "Save" : "Make it"}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function CostFields({ draft, onChange }: { draft: ModelDraft; onChange: (part: Partial<ModelDraft>) => void }) {
  const costs = [
    ["input", "Input, 1M tokens"],
    ["output", "Output, 1M tokens"],
    ["cached", "Cached input, 1M"],
    ["written", "Written to cache, 1M"],
  ] as const;
  return (
    <SimpleGrid cols={{ base: 2, xs: 3 }}>
      {costs.map(([name, label]) => (
        <NumberInput
          key={name}
          label={label}
          placeholder="As its base"
          prefix="$"
          min={0}
          value={draft[name]}
          onChange={(value) => onChange({ [name]: value })}
        />
      ))}
      <NumberInput
        label="Context, tokens"
        placeholder="As its base"
        min={1}
        allowDecimal={false}
        thousandSeparator=" "
        value={draft.context}
        onChange={(context) => onChange({ context })}
      />
    </SimpleGrid>
  );
}

function draftOf(model: Model | null, base: string): ModelDraft {
  const own = model?.price_source === "custom";
  return {
    name: model?.model_name ?? "",
    base: model?.base_model_name ?? base,
    displayName: model && model.display_name !== model.model_name ? model.display_name : "",
    provider: model?.custom_provider_id ?? null,
    input: (own ? model.input_cost : null) ?? "",
    output: (own ? model.output_cost : null) ?? "",
    cached: (own ? model.cache_hit_input_cost : null) ?? "",
    written: (own ? model.cache_creation_input_cost : null) ?? "",
    context: "",
  };
}

function formOf(draft: ModelDraft): Shapes["ModelForm"] {
  const said = {
    model_name: draft.name.trim(),
    base_model_name: draft.base.trim() || null,
    display_name: draft.displayName.trim() || null,
    custom_provider_id: draft.provider,
    input_cost: numberOf(draft.input),
    output_cost: numberOf(draft.output),
    cache_hit_input_cost: numberOf(draft.cached),
    cache_creation_input_cost: numberOf(draft.written),
    ...(draft.context === "" ? {} : { max_context_window: numberOf(draft.context) }),
  };
  return said as Shapes["ModelForm"];
}

function numberOf(value: number | string): number | null {
  return value === "" ? null : Number(value);
}
