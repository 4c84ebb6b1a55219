// What a credential serves: its weight, which models, and the keys of which environment.
import { NumberInput, Select, SimpleGrid, Stack, TagsInput } from "@mantine/core";
import type { Draft } from "../../parts/credentials";

interface Props {
  draft: Draft;
  onChange: (part: Partial<Draft>) => void;
  disabled?: boolean;
}

export function ServiceFields({ draft, onChange, disabled = false }: Props) {
  return (
    <Stack gap="sm">
      <SimpleGrid cols={{ base: 1, xs: 2 }}>
        <NumberInput
          label="Weight"
          description="Its share of calls among its provider's credentials; 0 drains it"
          min={0}
          disabled={disabled}
          value={draft.weight}
          onChange={(weight) => onChange({ weight })}
        />
        <Select
          label="Serves"
          description="Which of your API keys it is used for"
          allowDeselect={false}
          disabled={disabled}
          data={[
            { value: "all", label: "All keys" },
            { value: "prod", label: "Production keys" },
            { value: "test", label: "Test keys" },
          ]}
          value={draft.environment}
          onChange={(value) => value && onChange({ environment: value as Draft["environment"] })}
        />
      </SimpleGrid>
      <TagsInput
        label="Only these models"
        description="Left empty, all of them. A name, or a pattern: mistral-*"
        splitChars={[",", " "]}
        acceptValueOnBlur
        disabled={disabled}
        value={draft.models}
        onChange={(models) => onChange({ models })}
      />
      <TagsInput
        label="Not these models"
        splitChars={[",", " "]}
        acceptValueOnBlur
        disabled={disabled}
        value={draft.excluded}
        onChange={(excluded) => onChange({ excluded })}
      />
    </Stack>
  );
}
