// Search, range, environment and filters of a list of logs; and what can be done with the list.
import { ActionIcon, Box, CloseButton, Group, SegmentedControl, TextInput, Tooltip } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import { IconRefresh, IconSearch } from "@tabler/icons-react";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { TimeRange } from "../../parts/TimeRange";
import type { Names } from "./columns";
import { AddFilter, FilterChips } from "./Filters";
import type { FieldKnown } from "./fields";
import type { Question } from "./question";

interface Props {
  question: Question;
  fields: Record<string, FieldKnown>;
  names: Names;
  onTerms: (terms: Question["terms"]) => void;
  /** Changes members of the address. */
  onChange: (part: Record<string, unknown>) => void;
  onRefresh: () => void;
  refreshing: boolean;
  actions: ReactNode;
}

export function Toolbar({ question, fields, names, onTerms, onChange, onRefresh, refreshing, actions }: Props) {
  const filters = { terms: question.terms, fields, names };
  return (
    <>
      <Group gap="xs">
        <SearchBox value={question.search} onChange={(q) => onChange({ q: q || null })} />
        <TimeRange value={question.range} onChange={onChange} />
        <SegmentedControl
          size="xs"
          aria-label="Environment"
          value={question.environment}
          onChange={(env) => onChange({ environment: env === "all" ? null : env })}
          data={[
            { value: "all", label: "All" },
            { value: "prod", label: "Prod" },
            { value: "test", label: "Test" },
          ]}
        />
        <AddFilter {...filters} onChange={onTerms} />
        <Tooltip label="Ask again">
          <ActionIcon size="md" aria-label="Ask again" onClick={onRefresh} loading={refreshing}>
            <IconRefresh size={16} />
          </ActionIcon>
        </Tooltip>
        <Box flex={1} visibleFrom="sm" />
        {actions}
      </Group>
      <FilterChips {...filters} onChange={onTerms} />
    </>
  );
}

function SearchBox({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const [text, setText] = useState(value);
  const place = useRef<HTMLInputElement>(null);
  useHotkeys([["/", () => place.current?.focus()]]);
  useEffect(() => setText(value), [value]);
  return (
    <form
      style={{ flex: "1 1 240px", maxWidth: 420 }}
      onSubmit={(event) => {
        event.preventDefault();
        onChange(text.trim());
      }}
    >
      <TextInput
        ref={place}
        size="xs"
        aria-label="Search what was said"
        placeholder='Search what was said: toll "red gantry" bri*'
        leftSection={<IconSearch size={14} />}
        rightSection={
          text && (
            <CloseButton
              size="xs"
              aria-label="Clear the search"
              onClick={() => {
                setText("");
                onChange("");
              }}
            />
          )
        }
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
      />
    </form>
  );
}
