// How the catalogue is narrowed: by words, provider, type, what a model can, and whether it can be called now.
import { MultiSelect, SegmentedControl, Select, SimpleGrid, TextInput } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import { IconSearch } from "@tabler/icons-react";
import { useRef } from "react";
import type { Search } from "../../app/router";
import type { ProviderCard } from "../../parts/credentials";
import { ABILITIES, type Question, TYPES } from "./question";

interface Props {
  question: Question;
  providers: readonly ProviderCard[];
  onChange: (part: Search, replace?: boolean) => void;
}

export function Filters({ question, providers, onChange }: Props) {
  const search = useRef<HTMLInputElement>(null);
  const filter = useRef<HTMLInputElement>(null);
  useHotkeys([
    ["/", () => search.current?.focus()],
    ["f", () => filter.current?.focus()],
  ]);
  const change = (part: Search, replace = false) => onChange({ ...part, page: null }, replace);
  return (
    <SimpleGrid cols={{ base: 1, xs: 2, lg: 4 }} spacing="xs">
      <TextInput
        ref={search}
        aria-label="Search models"
        placeholder="Search models"
        leftSection={<IconSearch size={16} />}
        value={question.search}
        onChange={(event) => change({ q: event.currentTarget.value || null }, true)}
      />
      <Select
        ref={filter}
        aria-label="Provider"
        placeholder="Any provider"
        searchable
        clearable
        clearButtonProps={{ "aria-label": "Any provider" }}
        data={providers.map(({ provider_id, provider_name }) => ({ value: provider_id, label: provider_name }))}
        value={question.provider}
        onChange={(provider) => change({ provider })}
      />
      <Select
        aria-label="Type"
        placeholder="Any type"
        clearable
        clearButtonProps={{ "aria-label": "Any type" }}
        data={TYPES}
        value={question.type}
        onChange={(type) => change({ type })}
      />
      <MultiSelect
        aria-label="Can"
        placeholder={question.can.length ? undefined : "Can do anything"}
        clearable
        clearButtonProps={{ "aria-label": "Can do anything" }}
        data={ABILITIES}
        value={question.can}
        onChange={(can) => change({ can: can.length ? can : null })}
      />
    </SimpleGrid>
  );
}

/** Those that can be called now, all that are known, or your own alone. */
export function WhichModels({ question, onChange }: Omit<Props, "providers">) {
  return (
    <SegmentedControl
      aria-label="Which models"
      size="xs"
      data={[
        { value: "connected", label: "Connected" },
        { value: "all", label: "All" },
        { value: "own", label: "Your own" },
      ]}
      value={question.own ? "own" : question.connected ? "connected" : "all"}
      onChange={(value) =>
        onChange({ connected: value === "all" ? false : null, own: value === "own" ? true : null, page: null })
      }
    />
  );
}
