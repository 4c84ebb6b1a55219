// What is copied with one click: a value, or a block of code.
import { ActionIcon, Box, Code, CopyButton, Group, Paper, Tooltip } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";

export function Copy({ value, label = "Copy" }: { value: string; label?: string }) {
  return (
    <CopyButton value={value} timeout={1500}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? "Copied" : label}>
          <ActionIcon aria-label={label} onClick={copy} color={copied ? "teal" : "gray"}>
            {copied ? <IconCheck size={16} /> : <IconCopy size={16} />}
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
  );
}

export function CopyableValue({ value, label }: { value: string; label?: string }) {
  return (
    <Group gap={4} wrap="nowrap">
      <Code>{value}</Code>
      <Copy value={value} label={label} />
    </Group>
  );
}

export function CodeBlock({ code, label = "Copy the code" }: { code: string; label?: string }) {
  return (
    <Box pos="relative">
      {/* It scrolls, so it must be reachable by keyboard. */}
      <Code block tabIndex={0} pr={48}>
        {code}
      </Code>
      <Paper pos="absolute" top={6} right={6} radius="sm">
        <Copy value={code} label={label} />
      </Paper>
    </Box>
  );
}
