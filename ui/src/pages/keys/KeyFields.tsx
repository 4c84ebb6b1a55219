// All that can be said of a key: what it is called, what it may do, how much, and what is kept of its calls.
import {
  Checkbox,
  Divider,
  Group,
  Input,
  MultiSelect,
  NumberInput,
  SegmentedControl,
  Select,
  SimpleGrid,
  Stack,
  Switch,
  TagsInput,
  TextInput,
} from "@mantine/core";
import { useId } from "react";
import { useMay } from "../../api/session";
import type { KeyDraft } from "./draft";
import { EXPIRIES, POLICIES, SCOPES, SURFACES } from "./words";

interface Props {
  draft: KeyDraft;
  onChange: (part: Partial<KeyDraft>) => void;
}

export function KeyFields({ draft, onChange }: Props) {
  const environment = useId();
  return (
    <Stack gap="md">
      <TextInput
        label="Name"
        description="The program or the person that calls by it"
        required
        data-autofocus
        maxLength={256}
        value={draft.name}
        onChange={(event) => onChange({ name: event.currentTarget.value })}
      />
      <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="md">
        <div>
          <Input.Label component="div" id={environment}>
            Environment
          </Input.Label>
          <SegmentedControl
            fullWidth
            aria-labelledby={environment}
            data={[
              { value: "prod", label: "Production" },
              { value: "test", label: "Test" },
            ]}
            value={draft.environment}
            onChange={(value) => onChange({ environment: value === "test" ? "test" : "prod" })}
          />
        </div>
        <Select
          label="Expires"
          allowDeselect={false}
          data={EXPIRIES.map(({ value, label }) => ({ value, label }))}
          value={draft.expiry}
          onChange={(value) => value && onChange({ expiry: value })}
        />
      </SimpleGrid>
      {draft.expiry === "date" && (
        <TextInput
          type="date"
          label="Last day"
          description="Until the end of this day, in your time zone"
          required
          value={draft.date}
          onChange={(event) => onChange({ date: event.currentTarget.value })}
        />
      )}
      <Limits draft={draft} onChange={onChange} />
      <Rights draft={draft} onChange={onChange} />
      <Divider label="What is kept" labelPosition="left" />
      <Select
        label="Content of its calls"
        description={POLICIES.find(({ value }) => value === draft.content)?.about}
        allowDeselect={false}
        data={POLICIES.map(({ value, label }) => ({ value, label }))}
        value={draft.content}
        onChange={(value) => value && onChange({ content: value as KeyDraft["content"] })}
      />
      <Switch
        label="Strict"
        description="Refuse a call rather than drop a parameter that the model's provider does not know"
        checked={draft.strict}
        onChange={(event) => onChange({ strict: event.currentTarget.checked })}
      />
    </Stack>
  );
}

function Limits({ draft, onChange }: Props) {
  return (
    <>
      <Divider label="How much it may use" labelPosition="left" />
      <SimpleGrid cols={{ base: 1, xs: 3 }} spacing="md">
        <NumberInput
          label="Calls a minute"
          placeholder="No limit"
          min={1}
          allowDecimal={false}
          thousandSeparator=" "
          value={draft.rate}
          onChange={(rate) => onChange({ rate })}
        />
        <NumberInput
          label="Spending in all"
          placeholder="No limit"
          prefix="$"
          min={0}
          decimalScale={6}
          thousandSeparator=" "
          value={draft.spending}
          onChange={(spending) => onChange({ spending })}
        />
        <NumberInput
          label="Calls in all"
          placeholder="No limit"
          min={1}
          allowDecimal={false}
          thousandSeparator=" "
          value={draft.usage}
          onChange={(usage) => onChange({ usage })}
        />
      </SimpleGrid>
    </>
  );
}

function Rights({ draft, onChange }: Props) {
  const mayTeam = useMay("team");
  const mayManage = useMay("manage");
  return (
    <>
      <Divider label="What it may do" labelPosition="left" />
      <TagsInput
        label="Models"
        description="Left empty, all of them. A name, or a pattern: mistral/*"
        placeholder={draft.models.length ? undefined : "All models"}
        value={draft.models}
        splitChars={[",", " "]}
        acceptValueOnBlur
        onChange={(models) => onChange({ models })}
      />
      <MultiSelect
        label="APIs"
        description="Left empty, all of them"
        placeholder={draft.surfaces.length ? undefined : "All APIs"}
        data={[
          ...SURFACES,
          ...draft.surfaces
            .filter((one) => !SURFACES.some(({ value }) => value === one))
            .map((value) => ({ value, label: value })),
        ]}
        value={draft.surfaces}
        onChange={(surfaces) => onChange({ surfaces })}
      />
      <Checkbox.Group label="Scopes" value={draft.scopes} onChange={(scopes) => onChange({ scopes })}>
        <Group gap="sm" mt="xs">
          <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="xs" w="100%">
            {SCOPES.map(({ value, label, about }) => (
              <Checkbox
                key={value}
                value={value}
                label={label}
                description={about}
                disabled={
                  (value === "team" && !mayTeam) || (value === "manage" && !mayManage && !draft.scopes.includes(value))
                }
              />
            ))}
          </SimpleGrid>
        </Group>
      </Checkbox.Group>
    </>
  );
}
