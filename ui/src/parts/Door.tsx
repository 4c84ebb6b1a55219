// The frame of the pages in front of a session: one card, one form, and what went wrong in its own words.
import { Alert, Anchor, Button, Card, Center, Group, Image, Stack, Text, Title } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import { Link } from "@tanstack/react-router";
import { type FormEvent, type ReactNode, useState } from "react";

interface Props {
  title: string;
  about?: ReactNode;
  act: string;
  onSubmit: () => Promise<void>;
  children: ReactNode;
  foot?: ReactNode;
  ready?: boolean;
}

export function Door({ title, about, act, onSubmit, children, foot, ready = true }: Props) {
  useDocumentTitle(`${title} · Gantry`);
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<string | null>(null);

  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setFault(null);
    try {
      await onSubmit();
    } catch (error) {
      setFault(error instanceof Error ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  }

  return (
    <Center mih="100vh" p="md" component="main">
      <Card withBorder shadow="sm" w="100%" maw={420} padding="xl">
        <form onSubmit={submit}>
          <Stack>
            <Group gap="xs">
              <Image src="/ui/icon.svg" alt="" w={28} h={28} />
              <Text fw={700} size="lg">
                Gantry
              </Text>
            </Group>
            <div>
              <Title order={1} size="h3">
                {title}
              </Title>
              {about && (
                <Text c="dimmed" size="sm">
                  {about}
                </Text>
              )}
            </div>
            {fault && (
              <Alert color="red" variant="light" role="alert">
                {fault}
              </Alert>
            )}
            {children}
            <Button type="submit" loading={busy} disabled={!ready}>
              {act}
            </Button>
            {foot}
          </Stack>
        </form>
      </Card>
    </Center>
  );
}

export function DoorLink({ to, children }: { to: string; children: ReactNode }) {
  return (
    <Anchor component={Link} to={to} size="sm">
      {children}
    </Anchor>
  );
}
