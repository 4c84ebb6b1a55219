// The team: who belongs to the organization, with which role, and who is invited.
import { Alert, Badge, Button, Card, Checkbox, Group, Modal, Select, Stack, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useDisclosure } from "@mantine/hooks";
import { IconUserPlus } from "@tabler/icons-react";
import { useState } from "react";
import { $api, api, refresh, type Shapes } from "../../api/client";
import { useSession } from "../../api/session";
import { Asked } from "../../parts/Asked";
import { CopyableValue } from "../../parts/Copy";
import { confirm } from "../../parts/confirm";
import { type Column, DataTable } from "../../parts/DataTable";
import { Failed } from "../../parts/Failed";
import { told } from "../../parts/told";
import { When } from "../../parts/When";

type Role = Shapes["Role"];

const ROLES: { value: Role; label: string }[] = [
  { value: "viewer", label: "viewer: sees" },
  { value: "member", label: "member: sees, calls, makes own keys" },
  { value: "admin", label: "admin: changes everything, and who belongs" },
  { value: "owner", label: "owner: an admin who makes owners" },
];

export function Team() {
  const session = useSession();
  const [opened, { open, close }] = useDisclosure();
  const members = $api.useQuery("get", "/api/members");
  const invitations = $api.useQuery("get", "/api/invitations");

  const setRole = (person_id: string, role: Role) =>
    told(api.PATCH("/api/members/{person_id}", { params: { path: { person_id } }, body: { role } }), "Changed.").then(
      () => refresh("/api/members"),
    );
  const remove = ({ id, name }: Shapes["MemberItem"]) => {
    const query = { keep_keys: false };
    confirm({
      title: `Remove ${name}?`,
      body: (
        <Stack gap="sm">
          The person's sessions here end, and the invitations and API keys that the person made are revoked.
          <Checkbox
            label="Keep the API keys"
            description="For services that call by them. Rotate them soon: the person may still know them."
            onChange={(event) => {
              query.keep_keys = event.currentTarget.checked;
            }}
          />
        </Stack>
      ),
      act: "Remove",
      onConfirm: () =>
        told(api.DELETE("/api/members/{person_id}", { params: { path: { person_id: id }, query } }), "Removed.").then(
          () => refresh("/api/members", "/api/invitations", "/api/api-keys"),
        ),
    });
  };
  const withdraw = (invitation_id: string) =>
    told(api.DELETE("/api/invitations/{invitation_id}", { params: { path: { invitation_id } } }), "Withdrawn.").then(
      () => refresh("/api/invitations"),
    );

  const memberColumns: Column<Shapes["MemberItem"]>[] = [
    {
      key: "name",
      head: "Who",
      by: ({ name }) => name,
      cell: ({ name, email }) => (
        <div>
          <Text size="sm" fw={500}>
            {name}
          </Text>
          <Text size="xs" c="dimmed">
            {email}
          </Text>
        </div>
      ),
    },
    {
      key: "role",
      head: "Role",
      cell: (member) => (
        <Select
          size="xs"
          w={260}
          maw="60vw"
          aria-label={`Role of ${member.name}`}
          data={ROLES}
          allowDeselect={false}
          value={member.role}
          onChange={(role) => role && setRole(member.id, role as Role)}
        />
      ),
    },
    { key: "since", head: "Since", cell: ({ since }) => <When at={since} /> },
    { key: "seen", head: "Last seen", cell: ({ seen_at }) => <When at={seen_at} /> },
    {
      key: "remove",
      head: "",
      cell: (member) =>
        member.id === session?.person?.id ? (
          <Badge variant="light">you</Badge>
        ) : (
          <Button size="compact-sm" variant="light" color="red" onClick={() => remove(member)}>
            Remove
          </Button>
        ),
    },
  ];
  const invitationColumns: Column<Shapes["InvitationItem"]>[] = [
    { key: "email", head: "E-mail", cell: ({ email }) => email },
    { key: "role", head: "Role", cell: ({ role }) => role },
    { key: "by", head: "Invited by", cell: ({ invited_by }) => invited_by },
    { key: "until", head: "Expires", cell: ({ expires_at }) => <When at={expires_at} /> },
    {
      key: "withdraw",
      head: "",
      cell: ({ id }) => (
        <Button size="compact-sm" variant="light" color="red" onClick={() => withdraw(id)}>
          Withdraw
        </Button>
      ),
    },
  ];

  return (
    <Stack>
      <Card withBorder padding="md">
        <Group justify="space-between" mb="xs">
          <Text fw={600}>Members</Text>
          <Button size="sm" leftSection={<IconUserPlus size={16} />} onClick={open}>
            Invite
          </Button>
        </Group>
        <Asked query={members}>
          {(found) => <DataTable label="Members" rows={found} columns={memberColumns} rowKey={({ id }) => id} />}
        </Asked>
      </Card>
      <Asked query={invitations} rows={1}>
        {(found) =>
          found.length > 0 && (
            <Card withBorder padding="md">
              <Text fw={600} mb="xs">
                Invited, and not here yet
              </Text>
              <DataTable label="Invitations" rows={found} columns={invitationColumns} rowKey={({ id }) => id} />
            </Card>
          )
        }
      </Asked>
      <Modal opened={opened} onClose={close} title="Invite somebody">
        <Invite />
      </Modal>
    </Stack>
  );
}

function Invite() {
  const [made, setMade] = useState<Shapes["NewInvitation"] | null>(null);
  const [fault, setFault] = useState<unknown>(null);
  const form = useForm({ initialValues: { email: "", role: "member" as Role } });

  async function invite(body: { email: string; role: Role }) {
    setFault(null);
    try {
      const { data } = await api.POST("/api/invitations", { body });
      setMade(data ?? null);
    } catch (error) {
      setFault(error);
      return;
    }
    await refresh("/api/invitations");
  }

  if (made) {
    const link = made.link ?? `${window.location.origin}/ui/invitation?token=${encodeURIComponent(made.token)}`;
    return (
      <Stack>
        <Alert color="teal" title={made.mailed ? "It is on its way" : "Send this link"}>
          {made.mailed
            ? `${made.email} gets a mail with the link; you may also send it yourself.`
            : "No mail server is set up here, so the link goes by you. It is shown this once, and works once."}
        </Alert>
        <CopyableValue value={link} label="Copy the link" />
      </Stack>
    );
  }
  return (
    <form onSubmit={form.onSubmit(invite)}>
      <Stack>
        {fault != null && <Failed error={fault} />}
        <TextInput label="E-mail" type="email" required {...form.getInputProps("email")} />
        <Select label="Role" data={ROLES} allowDeselect={false} {...form.getInputProps("role")} />
        <Group justify="flex-end">
          <Button type="submit">Invite</Button>
        </Group>
      </Stack>
    </form>
  );
}
