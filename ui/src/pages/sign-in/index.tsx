// Sign in: by e-mail and password, or through an identity provider.
import { Button, Divider, PasswordInput, Stack, TextInput } from "@mantine/core";
import { useNavigate, useRouter } from "@tanstack/react-router";
import { useState } from "react";
import { changeSession, useSession } from "../../api/session";
import { useAddress } from "../../app/router";
import { Door, DoorLink } from "../../parts/Door";

export default function SignIn() {
  const session = useSession();
  const [{ to, error }] = useAddress();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const navigate = useNavigate();
  const router = useRouter();
  const target = typeof to === "string" && to.startsWith("/") && !to.startsWith("//") ? to : "/";

  async function signIn() {
    await changeSession("POST", "/api/session", { email, password });
    if (target === "/") {
      await navigate({ to: "/" });
    } else {
      router.history.push(router.basepath + target);
    }
  }

  return (
    <Door
      title="Sign in"
      about={typeof error === "string" ? error : undefined}
      act="Sign in"
      onSubmit={signIn}
      foot={session?.sign_up === "open" && <DoorLink to="/sign-up">Make an account</DoorLink>}
    >
      {session?.identity_providers.length ? (
        <>
          <Stack gap="xs">
            {session.identity_providers.map(({ id, name }) => (
              <Button
                key={id}
                component="a"
                variant="default"
                href={`/api/session/oidc/${id}/start?return_to=${encodeURIComponent(target)}`}
              >
                Continue with {name}
              </Button>
            ))}
          </Stack>
          <Divider label="or" />
        </>
      ) : null}
      <TextInput
        label="E-mail"
        type="email"
        autoComplete="username"
        required
        autoFocus
        value={email}
        onChange={(event) => setEmail(event.currentTarget.value)}
      />
      <PasswordInput
        label="Password"
        autoComplete="current-password"
        required
        value={password}
        onChange={(event) => setPassword(event.currentTarget.value)}
      />
    </Door>
  );
}
