// The organization: its name, and others that one has or makes.
import { Button, Card, Group, Stack, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { api, queries } from "../../api/client";
import { changeSession, useMay, useSession } from "../../api/session";
import { told } from "../../parts/told";

export function OrganizationCard() {
  const session = useSession();
  const mayTeam = useMay("team");
  const name = useForm({ initialValues: { name: session?.organization?.name ?? "" } });
  const another = useForm({ initialValues: { name: "" } });

  async function rename(body: { name: string }) {
    if (await told(api.PATCH("/api/organizations/current", { body }), "Renamed.")) {
      name.resetDirty();
      await queries.invalidateQueries({ queryKey: ["session"] });
    }
  }

  async function make(body: { name: string }) {
    const { data } = await api.POST("/api/organizations", { body });
    if (data) {
      await changeSession("PATCH", "/api/session", { organization_id: data.id });
    }
  }

  return (
    <Stack>
      <Card withBorder padding="md" component="form" onSubmit={name.onSubmit(rename)}>
        <Stack>
          <Text fw={600}>This organization</Text>
          <TextInput label="Name" disabled={!mayTeam} {...name.getInputProps("name")} />
          <Text size="sm" c="dimmed">
            Its id, for the command line: {session?.organization?.id}
          </Text>
          {mayTeam && (
            <Group justify="flex-end">
              <Button type="submit" disabled={!name.isDirty()}>
                Rename
              </Button>
            </Group>
          )}
        </Stack>
      </Card>
      <Card
        withBorder
        padding="md"
        component="form"
        onSubmit={another.onSubmit((body) => told(make(body), "Made. You are in it now."))}
      >
        <Stack>
          <Text fw={600}>Another one</Text>
          <Text size="sm" c="dimmed">
            With keys, credentials, logs and books of its own. Whoever makes it is its owner.
          </Text>
          <TextInput label="Its name" required {...another.getInputProps("name")} />
          <Group justify="flex-end">
            <Button type="submit" variant="light" disabled={!another.values.name.trim()}>
              Make it
            </Button>
          </Group>
        </Stack>
      </Card>
    </Stack>
  );
}
