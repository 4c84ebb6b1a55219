// Get started: from nothing to a call that is found in the log, without any document but this page.
//
// Law: each step says from what is there now whether it is done, so the page is right for whoever comes back to it, and
// for whoever did a step elsewhere.
import { Stack } from "@mantine/core";
import { useState } from "react";
import { useAddress } from "../../app/router";
import { Page } from "../../parts/Page";
import { CallStep } from "./CallStep";
import { KeyStep, type MadeKey } from "./KeyStep";
import { ProviderStep } from "./ProviderStep";

export default function Start() {
  const [{ key }, change] = useAddress();
  const [made, setMade] = useState<MadeKey | null>(null);
  const keyId = typeof key === "string" ? key : null;
  return (
    <Page
      title="Get started"
      about="Three steps: a provider, a key, a call. Your program changes in one line, where its client points."
    >
      <Stack gap="md" maw={960}>
        <ProviderStep />
        <KeyStep
          made={made}
          onMade={(key) => {
            setMade(key);
            change({ key: key.id }, true);
          }}
        />
        <CallStep keyId={made?.id ?? keyId} secret={made?.secret ?? null} />
      </Stack>
    </Page>
  );
}
