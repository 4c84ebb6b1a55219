// The frame of a page: its name, what it is for, what can be done on it.
import { Group, Stack, Text, Title } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import type { ReactNode } from "react";

interface Props {
  title: string;
  about?: ReactNode;
  actions?: ReactNode;
  /** As high as the window: what is on it scrolls, and the page does not. */
  fill?: boolean;
  children: ReactNode;
}

export function Page({ title, about, actions, fill, children }: Props) {
  useDocumentTitle(`${title} · Gantry`);
  return (
    <Stack
      gap={fill ? "xs" : "md"}
      h={fill ? "calc(100dvh - var(--app-shell-header-height) - 2 * var(--app-shell-padding))" : undefined}
    >
      <Group justify="space-between" align="flex-start" gap="sm">
        <div>
          <Title order={1} size="h2">
            {title}
          </Title>
          {about && (
            <Text c="dimmed" size="sm" maw={720}>
              {about}
            </Text>
          )}
        </div>
        {actions && <Group gap="xs">{actions}</Group>}
      </Group>
      {children}
    </Stack>
  );
}
