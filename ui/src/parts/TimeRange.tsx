// Choosing a stretch of time: a preset, all, or two moments in the reader's own zone.
import { Button, Divider, Group, NavLink, Popover, Stack, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconCalendar, IconCheck, IconChevronDown } from "@tabler/icons-react";
import { type FormEvent, useState } from "react";
import { ALL, CUSTOM, PRESETS, type Range, rangeInWords } from "./range";

interface Props {
  value: Range;
  /** What changes in the address; null takes a member away. */
  onChange: (change: { range: string | null; from: string | null; to: string | null }) => void;
}

export function TimeRange({ value, onChange }: Props) {
  const [opened, { toggle, close }] = useDisclosure();
  const choices = [...PRESETS, { range: ALL, label: "All time" }];
  return (
    <Popover opened={opened} onChange={close} position="bottom-start" withinPortal trapFocus>
      <Popover.Target>
        <Button
          variant="default"
          size="xs"
          leftSection={<IconCalendar size={14} />}
          rightSection={<IconChevronDown size={14} />}
          aria-label={`Time range: ${rangeInWords(value)}`}
          onClick={toggle}
        >
          {rangeInWords(value)}
        </Button>
      </Popover.Target>
      <Popover.Dropdown p={6} w={260} aria-label="Time range">
        {choices.map(({ range, label }) => (
          <NavLink
            key={range}
            component="button"
            type="button"
            label={label}
            py={5}
            rightSection={value.range === range && <IconCheck size={14} />}
            aria-pressed={value.range === range}
            onClick={() => {
              onChange({ range, from: null, to: null });
              close();
            }}
          />
        ))}
        <Divider my={6} />
        <Custom
          value={value}
          onChoose={(from, to) => {
            onChange({ range: null, from, to });
            close();
          }}
        />
      </Popover.Dropdown>
    </Popover>
  );
}

function Custom({ value, onChoose }: { value: Range; onChoose: (from: string | null, to: string | null) => void }) {
  const [from, setFrom] = useState(localOf(value.range === CUSTOM ? value.from : undefined));
  const [to, setTo] = useState(localOf(value.range === CUSTOM ? value.to : undefined));

  function submit(event: FormEvent) {
    event.preventDefault();
    onChoose(isoOf(from), isoOf(to));
  }

  return (
    <form onSubmit={submit}>
      <Stack gap={6} p={6}>
        <TextInput
          size="xs"
          type="datetime-local"
          label="From"
          value={from}
          onChange={(event) => setFrom(event.currentTarget.value)}
        />
        <TextInput
          size="xs"
          type="datetime-local"
          label="Until (empty: now)"
          value={to}
          error={from && to && from >= to ? "It ends before it begins." : undefined}
          onChange={(event) => setTo(event.currentTarget.value)}
        />
        <Group justify="flex-end">
          <Button size="xs" type="submit" disabled={!(from || to) || Boolean(from && to && from >= to)}>
            Show
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function localOf(iso: string | undefined): string {
  if (!iso) {
    return "";
  }
  const at = new Date(iso);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function isoOf(local: string): string | null {
  return local ? new Date(local).toISOString() : null;
}
