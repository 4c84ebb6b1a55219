// One step: its number or, when it is done, a tick; what it is for; and what there is to do.
import { Box, Card, Group, Text, ThemeIcon, Title } from "@mantine/core";
import { IconCheck } from "@tabler/icons-react";
import type { ReactNode } from "react";

interface Props {
  number: number;
  title: string;
  about: ReactNode;
  done: boolean;
  children: ReactNode;
}

export function Step({ number, title, about, done, children }: Props) {
  return (
    <Card withBorder padding="lg" component="section" aria-labelledby={`step-${number}`}>
      <Group wrap="nowrap" gap="sm" mb={4}>
        <ThemeIcon
          radius="xl"
          size={32}
          color={done ? "teal" : "gantry"}
          variant={done ? "filled" : "light"}
          role="img"
          aria-label={done ? "Done" : `Step ${number}`}
        >
          {done ? <IconCheck size={18} /> : <Text fw={700}>{number}</Text>}
        </ThemeIcon>
        <Title order={2} size="h4" id={`step-${number}`}>
          {title}
        </Title>
      </Group>
      <Box pl={{ base: 0, sm: 44 }}>
        <Text c="dimmed" size="sm" mb="md" component="div">
          {about}
        </Text>
        {children}
      </Box>
    </Card>
  );
}
