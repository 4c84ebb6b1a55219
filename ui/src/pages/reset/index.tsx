// A password is set by a link of `gantry people`, once: whoever has the link is signed in by it, and out elsewhere.
import { PasswordInput } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { changeSession } from "../../api/session";
import { useAddress } from "../../app/router";
import { Door, DoorLink } from "../../parts/Door";
import { SHORTEST_PASSWORD } from "../../parts/NewPerson";

export default function Reset() {
  const [search] = useAddress();
  const token = typeof search.token === "string" ? search.token : "";
  const [password, setPassword] = useState("");
  const navigate = useNavigate();

  async function set() {
    await changeSession("POST", "/api/session/reset", { token, password });
    await navigate({ to: "/start", search: {}, replace: true });
  }

  return (
    <Door
      title="Set a password"
      about={
        token
          ? "It takes the place of the one you had. You are signed in here then, and signed out everywhere else."
          : "This address lacks its token. Open the whole link that `gantry people reset-password` printed."
      }
      act="Set it"
      onSubmit={set}
      ready={token !== "" && password.length >= SHORTEST_PASSWORD}
      foot={<DoorLink to="/sign-in">Sign in</DoorLink>}
    >
      <PasswordInput
        label="New password"
        description={`At least ${SHORTEST_PASSWORD} characters; a few words are easier to remember than signs.`}
        autoComplete="new-password"
        required
        value={password}
        onChange={(event) => setPassword(event.currentTarget.value)}
      />
    </Door>
  );
}
