// The first run: whoever has the one-time token from the gateway's terminal becomes its owner.
import { TextInput } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { changeSession } from "../../api/session";
import { useAddress } from "../../app/router";
import { Door, DoorLink } from "../../parts/Door";
import { isReady, type NewPerson, NewPersonFields } from "../../parts/NewPerson";

export default function Claim() {
  const [search] = useAddress();
  const [token, setToken] = useState(typeof search.token === "string" ? search.token : "");
  const [email, setEmail] = useState("");
  const [organization, setOrganization] = useState("");
  const [person, setPerson] = useState<NewPerson>({ name: "", password: "" });
  const navigate = useNavigate();

  async function claim() {
    await changeSession("POST", "/api/session/claim", {
      token,
      email,
      ...(organization ? { organization } : {}),
      ...person,
    });
    await navigate({ to: "/start", search: {} });
  }

  return (
    <Door
      title="This gateway is yours"
      about="Nobody has claimed it yet. Make the owner's account; others are invited later."
      act="Claim it"
      onSubmit={claim}
      ready={token !== "" && email !== "" && isReady(person)}
      foot={<DoorLink to="/sign-in">It is claimed already: sign in</DoorLink>}
    >
      {search.token ? null : (
        <TextInput
          label="Setup token"
          description="The gateway printed it when it started. `gantry console link` prints it again."
          required
          value={token}
          onChange={(event) => setToken(event.currentTarget.value)}
        />
      )}
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
        description="May stay empty."
        autoComplete="organization"
        value={organization}
        onChange={(event) => setOrganization(event.currentTarget.value)}
      />
    </Door>
  );
}
