// The conditions of a question, each a chip to change or take away, with the connectors between them; `f` adds one.
import { ActionIcon, Button, Group, Popover, UnstyledButton } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import { IconFilter, IconX } from "@tabler/icons-react";
import { useState } from "react";
import type { Names } from "./columns";
import { type FieldKnown, METADATA, termInWords } from "./fields";
import styles from "./filters.module.css";
import type { Term } from "./question";
import { TermForm } from "./TermForm";

interface Props {
  terms: readonly Term[];
  fields: Record<string, FieldKnown>;
  names: Names;
  onChange: (terms: Term[]) => void;
}

const NEW = -1;

export function AddFilter({ terms, fields, names, onChange }: Props) {
  const [opened, setOpened] = useState(false);
  useHotkeys([["f", () => setOpened(true)]]);
  return (
    <Form
      opened={opened}
      onClose={() => setOpened(false)}
      fields={fields}
      names={names}
      onDone={(term) => onChange([...terms, term])}
    >
      <Button variant="default" size="xs" leftSection={<IconFilter size={14} />} onClick={() => setOpened(!opened)}>
        Filter
      </Button>
    </Form>
  );
}

export function FilterChips({ terms, fields, names, onChange }: Props) {
  const [changed, setChanged] = useState(NEW);
  if (terms.length === 0) {
    return null;
  }
  const replace = (place: number, ...by: Term[]) => onChange(terms.toSpliced(place, 1, ...by));
  return (
    <Group gap={6} role="group" aria-label="Filters">
      {terms.map((term, place) => {
        const kind = term.field.startsWith(METADATA) ? "text" : (fields[term.field]?.kind ?? "text");
        const words = termInWords(term, kind, (value) => valueInWords(term.field, kind, value, names));
        return (
          <Group key={place} gap={6} wrap="nowrap" maw="100%">
            {place > 0 && (
              <UnstyledButton
                className={styles.connector}
                aria-label={`Joined by ${term.connector ?? "AND"}; change`}
                title="All before it, and this; or: either"
                onClick={() => replace(place, term.connector ? without(term) : { ...term, connector: "OR" })}
              >
                {term.connector === "OR" ? "or" : "and"}
              </UnstyledButton>
            )}
            <div className={styles.chip}>
              <Form
                opened={changed === place}
                onClose={() => setChanged(NEW)}
                fields={fields}
                names={names}
                term={term}
                onDone={(given) => replace(place, given)}
              >
                <UnstyledButton className={styles.words} title={words} onClick={() => setChanged(place)}>
                  {words}
                </UnstyledButton>
              </Form>
              <ActionIcon size="xs" aria-label={`Remove the filter: ${words}`} onClick={() => replace(place)}>
                <IconX size={12} />
              </ActionIcon>
            </div>
          </Group>
        );
      })}
      <Button variant="subtle" size="compact-xs" onClick={() => onChange([])}>
        Clear
      </Button>
    </Group>
  );
}

interface FormProps {
  opened: boolean;
  onClose: () => void;
  fields: Record<string, FieldKnown>;
  names: Names;
  term?: Term;
  onDone: (term: Term) => void;
  children: React.ReactElement;
}

function Form({ opened, onClose, fields, names, term, onDone, children }: FormProps) {
  return (
    <Popover
      opened={opened}
      onChange={(open) => !open && onClose()}
      position="bottom-start"
      withinPortal
      trapFocus
      returnFocus
      shadow="md"
    >
      <Popover.Target>{children}</Popover.Target>
      <Popover.Dropdown w={340} maw="94vw" aria-label="Filter">
        <TermForm
          fields={fields}
          names={names}
          term={term}
          onDone={(given) => {
            onDone(given);
            onClose();
          }}
        />
      </Popover.Dropdown>
    </Popover>
  );
}

function without({ connector: _, ...term }: Term): Term {
  return term;
}

function valueInWords(field: string, kind: string, value: Term["values"][number], names: Names): string {
  if (kind === "boolean") {
    return value ? "yes" : "no";
  }
  if (kind === "time") {
    return new Date(String(value)).toLocaleString("en-GB");
  }
  return kind === "text" ? names(field, String(value)) : String(value);
}
