// Oneself: the name, the password, and where one is signed in.
import { Badge, Button, Card, Group, PasswordInput, SimpleGrid, Stack, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { $api, api, queries, refresh, type Shapes } from "../../api/client";
import { useSession } from "../../api/session";
import { Asked } from "../../parts/Asked";
import { type Column, DataTable } from "../../parts/DataTable";
import { SHORTEST_PASSWORD } from "../../parts/NewPerson";
import { told } from "../../parts/told";
import { When } from "../../parts/When";

export function You() {
  return (
    <Stack>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Name />
        <Password />
      </SimpleGrid>
      <Sessions />
    </Stack>
  );
}

function Name() {
  const session = useSession();
  const form = useForm({ initialValues: { name: session?.person?.name ?? "" } });
  async function save({ name }: { name: string }) {
    if (await told(api.PATCH("/api/people/me", { body: { name } }), "Saved.")) {
      form.resetDirty();
      await queries.invalidateQueries({ queryKey: ["session"] });
    }
  }
  return (
    <Card withBorder padding="md" component="form" onSubmit={form.onSubmit(save)}>
      <Stack>
        <Text fw={600}>You</Text>
        <TextInput label="E-mail" value={session?.person?.email ?? ""} readOnly />
        <TextInput label="Name" required {...form.getInputProps("name")} />
        <Group justify="flex-end">
          <Button type="submit" disabled={!form.isDirty()}>
            Save
          </Button>
        </Group>
      </Stack>
    </Card>
  );
}

function Password() {
  const form = useForm({ initialValues: { current: "", new: "" } });
  async function save(body: { current: string; new: string }) {
    if (await told(api.POST("/api/people/me/password", { body }), "Changed. Your other sessions have ended.")) {
      form.reset();
      await refresh("/api/people/me");
    }
  }
  return (
    <Card withBorder padding="md" component="form" onSubmit={form.onSubmit(save)}>
      <Stack>
        <Text fw={600}>Password</Text>
        <PasswordInput label="As it is" autoComplete="current-password" {...form.getInputProps("current")} />
        <PasswordInput
          label="As it shall be"
          autoComplete="new-password"
          required
          minLength={SHORTEST_PASSWORD}
          {...form.getInputProps("new")}
        />
        <Group justify="flex-end">
          <Button type="submit" disabled={form.values.new.length < SHORTEST_PASSWORD}>
            Change it
          </Button>
        </Group>
      </Stack>
    </Card>
  );
}

type Entry = Shapes["SessionEntry"];

function Sessions() {
  const sessions = $api.useQuery("get", "/api/people/me/sessions");
  const end = (session_id: string) =>
    told(api.DELETE("/api/people/me/sessions/{session_id}", { params: { path: { session_id } } }), "Ended.").then(() =>
      refresh("/api/people/me"),
    );
  const columns: Column<Entry>[] = [
    { key: "agent", head: "Browser", cell: ({ user_agent }) => <Text size="sm">{browserOf(user_agent)}</Text> },
    { key: "address", head: "Address", cell: ({ address }) => address || "–" },
    { key: "began", head: "Signed in", cell: ({ created_at }) => <When at={created_at} /> },
    { key: "seen", head: "Last seen", cell: ({ seen_at }) => <When at={seen_at} /> },
    {
      key: "end",
      head: "",
      cell: ({ id, current }) =>
        current ? (
          <Badge variant="light">this one</Badge>
        ) : (
          <Button size="compact-sm" variant="light" color="red" onClick={() => end(id)}>
            End
          </Button>
        ),
    },
  ];
  return (
    <Card withBorder padding="md">
      <Text fw={600} mb="xs">
        Where you are signed in
      </Text>
      <Asked query={sessions}>
        {(found) => <DataTable label="Sessions" rows={found} columns={columns} rowKey={({ id }) => id} />}
      </Asked>
    </Card>
  );
}

function browserOf(agent: string): string {
  const browser = /(Edg|OPR|Firefox|Chrome|Safari)\/(\d+)/.exec(agent);
  const system = /\(([^;)]+)/.exec(agent);
  return browser ? `${browser[1]} ${browser[2]}${system ? `, ${system[1]}` : ""}` : agent || "unknown";
}
