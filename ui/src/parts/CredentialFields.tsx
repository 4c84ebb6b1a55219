// The inputs of a provider's credential: whatever that provider calls them, and its address where each user has their own.
import { PasswordInput, Stack, Text, Textarea, TextInput } from "@mantine/core";
import type { Draft, ProviderCard } from "./credentials";

interface Props {
  provider: ProviderCard;
  draft: Draft;
  onChange: (part: Partial<Draft>) => void;
  /** Show the address also where the provider has one. */
  withAddress?: boolean;
}

export function CredentialFields({ provider, draft, onChange, withAddress = false }: Props) {
  const set = (name: string, value: string) => onChange({ fields: { ...draft.fields, [name]: value } });
  const address = provider.credential_fields.find((field) => field.address);
  return (
    <Stack gap="sm">
      {provider.credential_fields.map((field, place) => {
        const shared = {
          label: field.label,
          description: field.default ? `Left empty: ${field.default}` : undefined,
          required: field.required && !field.default,
          value: draft.fields[field.name] ?? "",
          autoComplete: "off",
          spellCheck: false,
          ...(place === 0 ? { "data-autofocus": true } : {}),
        };
        if (field.json) {
          return (
            <Textarea
              key={field.name}
              {...shared}
              description="The whole content of the file"
              autosize
              minRows={3}
              maxRows={8}
              onChange={(event) => set(field.name, event.currentTarget.value)}
            />
          );
        }
        const Input = field.secret ? PasswordInput : TextInput;
        return (
          <Input
            key={field.name}
            {...shared}
            {...(field.secret ? { autoComplete: "new-password" } : {})}
            onChange={(event) => set(field.name, event.currentTarget.value)}
          />
        );
      })}
      {!address && (provider.needs_base_url || withAddress) && (
        <TextInput
          label="Base URL"
          description={provider.needs_base_url ? "The address of your server" : `Left empty: ${provider.base_url}`}
          placeholder={provider.needs_base_url ? "http://127.0.0.1:8000/v1" : undefined}
          required={provider.needs_base_url}
          value={draft.baseUrl}
          onChange={(event) => onChange({ baseUrl: event.currentTarget.value })}
        />
      )}
      {provider.either.length > 0 && (
        <Text size="xs" c="dimmed">
          It takes either{" "}
          {provider.either.map((names) => names.map((name) => labelOf(provider, name)).join(" and ")).join(", or ")}.
        </Text>
      )}
    </Stack>
  );
}

function labelOf(provider: ProviderCard, name: string): string {
  return provider.credential_fields.find((field) => field.name === name)?.label ?? name;
}
