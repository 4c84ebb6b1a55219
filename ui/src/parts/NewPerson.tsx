// What is asked of whoever gets an account: a name and a password.
import { PasswordInput, TextInput } from "@mantine/core";

export interface NewPerson {
  name: string;
  password: string;
}

export const SHORTEST_PASSWORD = 10;

export function isReady({ name, password }: NewPerson): boolean {
  return name.trim() !== "" && password.length >= SHORTEST_PASSWORD;
}

export function NewPersonFields({ value, onChange }: { value: NewPerson; onChange: (value: NewPerson) => void }) {
  return (
    <>
      <TextInput
        label="Your name"
        autoComplete="name"
        required
        value={value.name}
        onChange={(event) => onChange({ ...value, name: event.currentTarget.value })}
      />
      <PasswordInput
        label="Password"
        description={`At least ${SHORTEST_PASSWORD} characters; a few words are easier to remember than signs.`}
        autoComplete="new-password"
        required
        value={value.password}
        onChange={(event) => onChange({ ...value, password: event.currentTarget.value })}
      />
    </>
  );
}
