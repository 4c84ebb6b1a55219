// Snippets to paste, one tab for each client. Which tab was chosen last is remembered.
import { Box, Group, Select, Stack, Tabs, Text } from "@mantine/core";
import { useLocalStorage, useMediaQuery } from "@mantine/hooks";
import { CodeBlock } from "./Copy";
import { filled, SNIPPETS } from "./snippets";

interface Props {
  /** The key, while its secret is known; else its place is shown. */
  secret?: string | null;
  /** The model to call, with its provider in front; else that of the documentation. */
  model?: string | null;
}

export function Snippets({ secret = null, model = null }: Props) {
  const [chosen, choose] = useLocalStorage({ key: "gantry-snippet", defaultValue: "mistral-python" });
  const isPhone = useMediaQuery("(max-width: 62em)", false, { getInitialValueInEffect: false });
  const shown = SNIPPETS.find(({ id }) => id === chosen) ?? SNIPPETS[0];
  const options = SNIPPETS.map(({ id, label }) => ({ value: id, label }));
  if (!shown) {
    return null;
  }
  const code = (
    <Stack gap="xs" pt="sm">
      {shown.install && (
        <Group gap="xs">
          <Text size="xs" c="dimmed">
            Needs
          </Text>
          <Text size="xs" ff="monospace">
            {shown.install}
          </Text>
        </Group>
      )}
      {filled(shown, secret, model).map(({ language, code }) => (
        <CodeBlock key={language} code={code} label={`Copy the ${shown.label} code`} />
      ))}
    </Stack>
  );
  if (isPhone) {
    return (
      <Box>
        <Select
          label="Client"
          data={options}
          value={shown.id}
          onChange={(value) => value && choose(value)}
          allowDeselect={false}
        />
        {code}
      </Box>
    );
  }
  return (
    <Tabs value={shown.id} onChange={(value) => value && choose(value)} variant="pills" keepMounted={false}>
      <Tabs.List aria-label="Client" style={{ gap: 2 }}>
        {options.map(({ value, label }) => (
          <Tabs.Tab key={value} value={value} px="sm" py={6}>
            {label}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      <Tabs.Panel value={shown.id}>{code}</Tabs.Panel>
    </Tabs>
  );
}
