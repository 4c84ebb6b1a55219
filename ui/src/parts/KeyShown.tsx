// A secret that nobody will see again: copy it now.
import { Alert, Code, Group, Text } from "@mantine/core";
import { IconKey } from "@tabler/icons-react";
import { Copy } from "./Copy";

export function KeyShown({ name, secret }: { name: string; secret: string }) {
  return (
    <Alert color="teal" variant="light" icon={<IconKey />} title={`The key “${name}” is made`}>
      <Group gap="xs" wrap="nowrap">
        <Code data-testid="secret" fz="sm" style={{ overflowWrap: "anywhere" }}>
          {secret}
        </Code>
        <Copy value={secret} label="Copy the key" />
      </Group>
      <Text size="sm" mt="xs">
        Copy it now: it is shown this once, and Gantry keeps no more than a digest of it.
      </Text>
    </Alert>
  );
}
