// An empty state: what would be here, and how it comes here.
import { Center, Stack, Text, ThemeIcon, Title } from "@mantine/core";
import type { ComponentType, ReactNode } from "react";

interface Props {
  icon: ComponentType<{ size?: number; stroke?: number }>;
  title: string;
  children: ReactNode;
}

export function Nothing({ icon: Icon, title, children }: Props) {
  return (
    <Center py={48} px="md">
      <Stack align="center" gap="sm" w="100%" maw={520} ta="center">
        <ThemeIcon size={56} radius="xl" variant="light">
          <Icon size={28} stroke={1.5} />
        </ThemeIcon>
        <Title order={2} size="h4">
          {title}
        </Title>
        <Text component="div" c="dimmed" maw="100%">
          {children}
        </Text>
      </Stack>
    </Center>
  );
}
