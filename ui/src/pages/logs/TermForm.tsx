// One condition: a field, an operator of its kind, and values, with those offered that are known.
import {
  Autocomplete,
  Button,
  Group,
  NumberInput,
  SegmentedControl,
  Select,
  Stack,
  TagsInput,
  Text,
  TextInput,
} from "@mantine/core";
import { type FormEvent, useState } from "react";
import type { Names } from "./columns";
import {
  type FieldKnown,
  fieldChoices,
  fieldLabel,
  METADATA,
  operatorsOf,
  takesNoValue,
  takesOneValue,
} from "./fields";
import type { Term, Value } from "./question";

interface Props {
  fields: Record<string, FieldKnown>;
  names: Names;
  term?: Term;
  onDone: (term: Term) => void;
}

// The list itself scrolls, so that it can be walked by keyboard.
const LIST = {
  comboboxProps: { withinPortal: false },
  withScrollArea: false,
  styles: { options: { maxHeight: 260, overflowY: "auto" } },
} as const;

export function TermForm({ fields, names, term, onDone }: Props) {
  const [field, setField] = useState<string | null>(
    term ? (term.field.startsWith(METADATA) ? METADATA : term.field) : null,
  );
  const [key, setKey] = useState(term?.field.startsWith(METADATA) ? term.field.slice(METADATA.length) : "");
  const kind = kindOf(fields, field);
  const operators = operatorsOf(kind);
  const [operator, setOperator] = useState(term?.operator ?? Object.keys(operators)[0] ?? "");
  const [values, setValues] = useState<Value[]>(term?.values ?? []);
  const [typed, setTyped] = useState(""); // and not yet taken over by Enter
  const given = [...values, ...(typed.trim() ? [readValue(kind, typed.trim(), field, fields, names)] : [])];
  const full = field === METADATA ? key.trim() && METADATA + key.trim() : field;
  const ready = Boolean(full) && (takesNoValue(operator) || (given.length > 0 && !given.some(Number.isNaN)));

  function choose(name: string | null) {
    setField(name);
    setOperator(Object.keys(operatorsOf(kindOf(fields, name)))[0] ?? "");
    setValues([]);
    setTyped("");
  }

  function submit(event: FormEvent) {
    event.preventDefault();
    event.stopPropagation();
    if (full && ready) {
      const { connector } = term ?? {};
      onDone({
        field: full,
        operator,
        values: takesNoValue(operator) ? [true] : given,
        ...(connector && { connector }),
      });
    }
  }

  return (
    <form onSubmit={submit}>
      <Stack gap="xs">
        <Select
          label="Field"
          placeholder="Type to find one"
          data={fieldChoices(fields)}
          value={field}
          onChange={choose}
          searchable
          data-autofocus
          nothingFoundMessage="No such field. For your own, choose Metadata key…"
          {...LIST}
        />
        {field === METADATA && (
          <TextInput
            label="Key of the metadata"
            placeholder="team"
            value={key}
            onChange={(event) => setKey(event.currentTarget.value)}
          />
        )}
        {field && (
          <Select
            label="Operator"
            data={Object.entries(operators).map(([value, label]) => ({ value: value || "is", label }))}
            value={operator || "is"}
            onChange={(chosen) => {
              setOperator(chosen === "is" || chosen === null ? "" : chosen);
              setValues(takesOneValue(chosen ?? "") ? values.slice(0, 1) : values);
            }}
            allowDeselect={false}
            {...LIST}
          />
        )}
        {field && !takesNoValue(operator) && (
          <Values
            kind={kind}
            operator={operator}
            label={full ? fieldLabel(full) : "Value"}
            options={fields[field]?.options ?? []}
            nameOf={(value) => names(field, value)}
            values={values}
            onChange={setValues}
            typed={typed}
            onType={setTyped}
          />
        )}
        <Group justify="flex-end">
          <Button type="submit" size="xs" disabled={!ready}>
            {term ? "Change" : "Add filter"}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function kindOf(fields: Record<string, FieldKnown>, name: string | null): string {
  return (name && fields[name]?.kind) || "text";
}

/** A value as it is typed: by its name where it has one. */
function readValue(kind: string, text: string, field: string | null, fields: Props["fields"], names: Names): Value {
  if (kind === "number") {
    return Number(text);
  }
  const known = (field && fields[field]?.options) || [];
  return known.find((value) => typeof value === "string" && field && names(field, value) === text) ?? text;
}

interface ValuesProps {
  kind: string;
  operator: string;
  label: string;
  options: readonly (string | boolean)[];
  nameOf: (value: string) => string;
  values: Value[];
  onChange: (values: Value[]) => void;
  typed: string;
  onType: (text: string) => void;
}

function Values({ kind, operator, label, options, nameOf, values, onChange, typed, onType }: ValuesProps) {
  const [first] = values;
  if (kind === "boolean") {
    return (
      <SegmentedControl
        fullWidth
        aria-label={label}
        data={[
          { value: "true", label: "Yes" },
          { value: "false", label: "No" },
        ]}
        value={first === undefined ? "" : String(first)}
        onChange={(chosen) => onChange([chosen === "true"])}
      />
    );
  }
  if (kind === "time") {
    return (
      <TextInput
        type="datetime-local"
        label={label}
        step={1}
        value={typeof first === "string" ? localOf(first) : ""}
        onChange={({ currentTarget: { value } }) => onChange(value ? [new Date(value).toISOString()] : [])}
      />
    );
  }
  if (kind === "number" && takesOneValue(operator)) {
    return (
      <NumberInput
        label={label}
        value={typeof first === "number" ? first : ""}
        onChange={(value) => onChange(value === "" ? [] : [Number(value)])}
        decimalScale={12}
        hideControls
      />
    );
  }
  const known = options.filter((option) => typeof option === "string");
  const named = new Map(known.map((value) => [nameOf(value), value]));
  const shown = values.map((value) => nameOf(String(value)));
  const read = (text: string): Value => (kind === "number" ? Number(text) : (named.get(text) ?? text));
  if (takesOneValue(operator)) {
    return (
      <Autocomplete
        label={label}
        data={[...named.keys()]}
        value={shown[0] ?? ""}
        onChange={(text) => onChange(text ? [read(text)] : [])}
        {...LIST}
      />
    );
  }
  return (
    <>
      <TagsInput
        label={label}
        placeholder={values.length ? "" : known.length ? "Choose, or type and press Enter" : "Type and press Enter"}
        data={[...named.keys()]}
        value={shown}
        onChange={(texts) => onChange(texts.map(read).filter((value) => !Number.isNaN(value)))}
        searchValue={typed}
        onSearchChange={onType}
        clearable
        splitChars={kind === "number" ? [",", " "] : []}
        {...LIST}
      />
      <Text size="xs" c="dimmed">
        Several values: any of them.
      </Text>
    </>
  );
}

function localOf(iso: string): string {
  const at = new Date(iso);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
