// Tries a credential by something that costs nothing, and says what was answered.
import { Button, Popover } from "@mantine/core";
import { useState } from "react";
import { api } from "../../api/client";
import { useMay } from "../../api/session";
import type { Credential, Verdict } from "../../parts/credentials";
import { told } from "../../parts/told";
import { VerdictAlert } from "../../parts/VerdictAlert";

export function TestButton({ credential }: { credential: Credential }) {
  const [verdict, setVerdict] = useState<Verdict | null>(null);
  const [busy, setBusy] = useState(false);
  const may = useMay("manage");

  async function test() {
    setBusy(true);
    await told(
      api
        .POST("/api/credentials/{credential}/test", { params: { path: { credential: credential.id } } })
        .then(({ data }) => setVerdict(data ?? null)),
    );
    setBusy(false);
  }

  return (
    <Popover opened={verdict !== null} onChange={(opened) => !opened && setVerdict(null)} width={320} withArrow>
      <Popover.Target>
        <Button
          size="compact-xs"
          variant="default"
          loading={busy}
          disabled={!may}
          onClick={test}
          aria-label={`Test ${credential.provider_id}/${credential.name}`}
        >
          Test
        </Button>
      </Popover.Target>
      <Popover.Dropdown p={0}>{verdict && <VerdictAlert verdict={verdict} />}</Popover.Dropdown>
    </Popover>
  );
}
