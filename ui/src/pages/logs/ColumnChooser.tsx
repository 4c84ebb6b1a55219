// Which columns a person sees; kept in their browser.
import { ActionIcon, Button, Checkbox, Popover, ScrollArea, Stack, Tooltip } from "@mantine/core";
import { IconColumns3 } from "@tabler/icons-react";
import { COLUMNS, type LogColumn, TIME, USUAL } from "./columns";

export function ColumnChooser({ columns, onChange }: { columns: LogColumn[]; onChange: (keys: string[]) => void }) {
  const chosen = columns.map(({ key }) => key).filter((key) => key !== TIME.key);
  return (
    <Popover position="bottom-end" shadow="md" trapFocus>
      <Popover.Target>
        <Tooltip label="Columns">
          <ActionIcon size="md" aria-label="Columns" variant="default">
            <IconColumns3 size={16} />
          </ActionIcon>
        </Tooltip>
      </Popover.Target>
      <Popover.Dropdown p="xs" aria-label="Columns">
        <ScrollArea.Autosize mah={360} type="auto" viewportProps={{ tabIndex: 0 }}>
          <Checkbox.Group value={chosen} onChange={onChange} aria-label="Columns">
            <Stack gap={6} p={4} pr="md">
              {COLUMNS.filter(({ key }) => key !== TIME.key).map(({ key, head }) => (
                <Checkbox key={key} size="xs" value={key} label={head} />
              ))}
            </Stack>
          </Checkbox.Group>
        </ScrollArea.Autosize>
        <Button mt={6} size="compact-xs" variant="subtle" onClick={() => onChange(USUAL)}>
          As usual
        </Button>
      </Popover.Dropdown>
    </Popover>
  );
}
