// An account and an organization of one's own, where the gateway's operator allows it.
import { TextInput } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { changeSession } from "../../api/session";
import { Door, DoorLink } from "../../parts/Door";
import { isReady, type NewPerson, NewPersonFields } from "../../parts/NewPerson";

export default function SignUp() {
  const [email, setEmail] = useState("");
  const [organization, setOrganization] = useState("");
  const [person, setPerson] = useState<NewPerson>({ name: "", password: "" });
  const navigate = useNavigate();

  async function signUp() {
    await changeSession("POST", "/api/session/sign-up", { email, organization, ...person });
    await navigate({ to: "/start" });
  }

  return (
    <Door
      title="Make an account"
      act="Make it"
      onSubmit={signUp}
      ready={email !== "" && organization.trim() !== "" && isReady(person)}
      foot={<DoorLink to="/sign-in">I have one: sign in</DoorLink>}
    >
      <TextInput
        label="E-mail"
        type="email"
        autoComplete="username"
        required
        value={email}
        onChange={(event) => setEmail(event.currentTarget.value)}
      />
      <NewPersonFields value={person} onChange={setPerson} />
      <TextInput
        label="Organization"
        autoComplete="organization"
        required
        value={organization}
        onChange={(event) => setOrganization(event.currentTarget.value)}
      />
    </Door>
  );
}
