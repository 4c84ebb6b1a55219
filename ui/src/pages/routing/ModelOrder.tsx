// Models in their order: moved by buttons, by Alt with the arrow keys, or dragged; added and taken out.
import { ActionIcon, Button, Group, Stack, Text } from "@mantine/core";
import { IconArrowDown, IconArrowUp, IconGripVertical, IconPlus, IconX } from "@tabler/icons-react";
import { useRef, useState } from "react";
import { ModelInput } from "./ModelInput";
import styles from "./routing.module.css";
import { moved, without } from "./rules";

interface Props {
  label: string;
  models: readonly string[];
  locked?: boolean;
  onChange: (models: string[]) => void;
}

/** As the API has it (core/routing_rules.py). */
const MOST = 20;

export function ModelOrder({ label, models, locked, onChange }: Props) {
  const [name, setName] = useState("");
  const [dragged, setDragged] = useState<number | null>(null);
  const [over, setOver] = useState<number | null>(null);
  const list = useRef<HTMLDivElement>(null);
  const model = name.trim();
  const taken = models.includes(model);

  function move(from: number, to: number) {
    if (to < 0 || to >= models.length || from === to) {
      return;
    }
    onChange(moved(models, from, to));
    // The eye and the focus go with what was moved.
    requestAnimationFrame(() => list.current?.querySelector<HTMLElement>(`[data-place="${to}"]`)?.focus());
  }

  function add() {
    if (model && !taken) {
      onChange([...models, model]);
      setName("");
    }
  }

  function drop() {
    if (dragged !== null && over !== null) {
      move(dragged, over);
    }
    setDragged(null);
    setOver(null);
  }

  return (
    <Stack gap="xs">
      {models.length > 0 && (
        <Stack gap={6} role="list" aria-label={label} ref={list}>
          {models.map((each, place) => (
            <Group
              key={each}
              role="listitem"
              aria-label={`${place + 1}. ${each}`}
              className={`${styles.row} ${place === over ? styles.over : ""}`}
              wrap="nowrap"
              gap="xs"
              tabIndex={locked ? undefined : 0}
              data-place={place}
              draggable={!locked}
              onDragStart={() => setDragged(place)}
              onDragOver={(event) => {
                event.preventDefault();
                setOver(place);
              }}
              onDragEnd={drop}
              onKeyDown={(event) => {
                if (event.altKey && !locked && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
                  event.preventDefault();
                  move(place, place + (event.key === "ArrowUp" ? -1 : 1));
                }
              }}
            >
              {!locked && <IconGripVertical size={16} aria-hidden style={{ cursor: "grab", flexShrink: 0 }} />}
              <Text size="sm" c="dimmed" className="numeric">
                {place + 1}
              </Text>
              <Text size="sm" flex={1} ff="monospace" style={{ minWidth: 0 }}>
                {each}
              </Text>
              {!locked && (
                <Group gap={0} wrap="nowrap">
                  <ActionIcon
                    aria-label={`Move ${each} up`}
                    disabled={place === 0}
                    onClick={() => move(place, place - 1)}
                  >
                    <IconArrowUp size={16} />
                  </ActionIcon>
                  <ActionIcon
                    aria-label={`Move ${each} down`}
                    disabled={place === models.length - 1}
                    onClick={() => move(place, place + 1)}
                  >
                    <IconArrowDown size={16} />
                  </ActionIcon>
                  <ActionIcon aria-label={`Take ${each} out`} onClick={() => onChange(without(models, place))}>
                    <IconX size={16} />
                  </ActionIcon>
                </Group>
              )}
            </Group>
          ))}
        </Stack>
      )}
      {!locked && models.length < MOST && (
        <Group align="flex-start" gap="xs" wrap="nowrap">
          <ModelInput
            aria-label={`${label}: another model`}
            flex={1}
            value={name}
            onChange={setName}
            error={taken ? "It is in the list already" : undefined}
            onKeyDown={(event) => {
              // With an option under the cursor, Enter takes that into the field first.
              if (event.key === "Enter" && !event.currentTarget.getAttribute("aria-activedescendant")) {
                event.preventDefault();
                add();
              }
            }}
          />
          <Button variant="default" leftSection={<IconPlus size={16} />} onClick={add} disabled={!model || taken}>
            Add
          </Button>
        </Group>
      )}
    </Stack>
  );
}
