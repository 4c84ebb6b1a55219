// Step 2: an API key, by one click. Its secret stands in all the snippets below until the page is left.
import { Button, Group, Stack, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { $api, api, refresh } from "../../api/client";
import { useMay } from "../../api/session";
import { Asked } from "../../parts/Asked";
import { KeyShown } from "../../parts/KeyShown";
import { told } from "../../parts/told";
import { Step } from "./Step";

export interface MadeKey {
  id: string;
  name: string;
  secret: string;
}

export function KeyStep({ made, onMade }: { made: MadeKey | null; onMade: (key: MadeKey) => void }) {
  const keys = $api.useQuery("get", "/api/api-keys", { params: { query: { page_size: 100 } } });
  const [busy, setBusy] = useState(false);
  const may = useMay("manage", "inference");
  const count = keys.data?.count ?? 0;

  async function make() {
    setBusy(true);
    await told(
      (async () => {
        const names = new Set(keys.data?.results.map(({ name }) => name));
        const { data } = await api.POST("/api/api-keys", { body: { name: freeName(names) } as never });
        if (data) {
          onMade({ id: data.id, name: data.name, secret: data.api_key });
          await refresh("/api/api-keys");
        }
      })(),
    );
    setBusy(false);
  }

  return (
    <Step
      number={2}
      title="An API key"
      done={made !== null || count > 0}
      about="What your programs show to this gateway, in the place of a provider's key. Each has limits of its own."
    >
      <Asked query={keys} rows={1}>
        {() => (
          <Stack gap="sm" align="flex-start">
            {made && <KeyShown name={made.name} secret={made.secret} />}
            {!made && count > 0 && (
              <Text size="sm">
                {count === 1 ? "There is a key already" : `There are ${count} keys already`}. Secrets are shown once:
                use one that you have, or make another.
              </Text>
            )}
            {may ? (
              <Group gap="xs">
                <Button
                  onClick={make}
                  loading={busy}
                  variant={made || count > 0 ? "default" : "filled"}
                  size={made ? "xs" : "sm"}
                >
                  {made || count > 0 ? "Make another key" : "Make a key"}
                </Button>
                <Button size={made ? "xs" : "sm"} variant="subtle" component={Link} to="/keys">
                  All keys
                </Button>
              </Group>
            ) : (
              <Text size="sm">As a viewer you make no keys; a member or an administrator gives you one.</Text>
            )}
          </Stack>
        )}
      </Asked>
    </Step>
  );
}

function freeName(taken: Set<string>): string {
  const name = "my-app";
  let number = 2;
  let free = name;
  while (taken.has(free)) {
    free = `${name}-${number++}`;
  }
  return free;
}
