// An invitation: who invites to what; whoever has no account yet makes one, whoever has one signs it.
import { PasswordInput, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { Refusal, refusalOf } from "../../api/client";
import { changeSession } from "../../api/session";
import { useAddress } from "../../app/router";
import { Asked } from "../../parts/Asked";
import { Door } from "../../parts/Door";
import { isReady, type NewPerson, NewPersonFields } from "../../parts/NewPerson";

interface Invitation {
  email: string;
  role: string;
  organization: string;
  known: boolean;
}

export default function Accept() {
  const [search] = useAddress();
  const token = String(search.token ?? "");
  const navigate = useNavigate();
  const [person, setPerson] = useState<NewPerson>({ name: "", password: "" });
  const invitation = useQuery({
    queryKey: ["invitation", token],
    queryFn: async (): Promise<Invitation> => {
      const response = await fetch(`/api/session/invitation?token=${encodeURIComponent(token)}`);
      if (!response.ok) {
        throw await refusalOf(response);
      }
      return (await response.json()) as Invitation;
    },
    retry: (_, error) => !(error instanceof Refusal),
  });

  async function accept() {
    await changeSession("POST", "/api/session/invitation", { token, ...person });
    await navigate({ to: "/start", search: {} });
  }

  const known = invitation.data?.known ?? false;
  return (
    <Door
      title="You are invited"
      act="Join"
      onSubmit={accept}
      ready={invitation.data !== undefined && (known ? person.password !== "" : isReady(person))}
    >
      <Asked query={invitation} rows={2}>
        {({ email, role, organization }) => (
          <>
            <Text size="sm">
              To <b>{organization}</b>, as {role}, as <b>{email}</b>.
            </Text>
            {known ? (
              <PasswordInput
                label="Your password"
                autoComplete="current-password"
                value={person.password}
                onChange={(event) => setPerson({ name: "", password: event.currentTarget.value })}
              />
            ) : (
              <NewPersonFields value={person} onChange={setPerson} />
            )}
          </>
        )}
      </Asked>
    </Door>
  );
}
