// The versions of the rules: who, when and why; what one differs in from another; and the way back to it.
import { Alert, Badge, Button, Drawer, Group, Select, Stack, Text } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconHistory } from "@tabler/icons-react";
import { useState } from "react";
import { $api, api, refresh, type Shapes } from "../../api/client";
import { useAddress } from "../../app/router";
import { Asked } from "../../parts/Asked";
import { confirm } from "../../parts/confirm";
import { type Column, DataTable } from "../../parts/DataTable";
import { Nothing } from "../../parts/Nothing";
import { told } from "../../parts/told";
import { When } from "../../parts/When";
import { Diff } from "./Diff";
import { lowered } from "./rules";

type Version = Shapes["RulesVersionItem"];
type Live = Shapes["RulesItem"];

const EMPTY = 0; // before the first

export function History({ live, locked }: { live: Live; locked: boolean }) {
  const [address, change] = useAddress();
  const versions = $api.useQuery("get", "/api/routing/versions");
  const isPhone = useMediaQuery("(max-width: 48em)");
  const open = typeof address.version === "number" ? address.version : null;
  const columns: Column<Version>[] = [
    {
      key: "version",
      head: "Version",
      cell: ({ version }) => (
        <Group gap="xs" wrap="nowrap">
          <Text size="sm" fw={500}>
            {version}
          </Text>
          {version === live.version && <Badge variant="light">holds</Badge>}
        </Group>
      ),
    },
    { key: "when", head: "When", cell: ({ created_at }) => <When at={created_at} /> },
    { key: "who", head: "Who", cell: ({ author, managed_by }) => managed_by ?? author?.replace(/^person /, "") ?? "–" },
    { key: "note", head: "Why", cell: ({ note }) => note || "–" },
  ];
  return (
    <Asked query={versions}>
      {(found) => (
        <>
          <DataTable
            label="Versions"
            rows={found}
            columns={columns}
            rowKey={({ version }) => String(version)}
            open={open === null ? null : String(open)}
            onOpen={({ version }) => change({ version })}
            empty={
              <Nothing icon={IconHistory} title="The rules were never changed">
                Each change is a version, with who made it and why, and can be gone back to. The newest 100 are kept.
              </Nothing>
            }
          />
          <Drawer
            opened={open !== null}
            onClose={() => change({ version: null })}
            position="right"
            size={isPhone ? "100%" : "lg"}
            title={`Version ${open}`}
            closeButtonProps={{ "aria-label": "Close" }}
          >
            {open !== null && (
              <OneVersion
                key={open}
                version={open}
                known={found}
                live={live}
                locked={locked}
                onDone={() => change({ version: null })}
              />
            )}
          </Drawer>
        </>
      )}
    </Asked>
  );
}

interface Props {
  version: number;
  known: readonly Version[];
  live: Live;
  locked: boolean;
  onDone: () => void;
}

function OneVersion({ version, known, live, locked, onDone }: Props) {
  const earlier = known.find((one) => one.version < version)?.version ?? EMPTY;
  const [other, setOther] = useState(earlier);
  const shown = useVersion(version);
  const beside = useVersion(other);
  const options = [...known.map((one) => one.version).filter((one) => one !== version), EMPTY];
  const [from, to] = other < version ? [beside, shown] : [shown, beside];

  const goBack = () =>
    confirm({
      title: `Go back to version ${version}?`,
      body: `Its rules are written again, as version ${live.version + 1}. Calls go by them at once; nothing of the history is lost.`,
      act: "Go back",
      onConfirm: async () => {
        if (await told(api.POST("/api/routing/rollback", { body: { version } }), `As in version ${version} again.`)) {
          await refresh("/api/routing", "/api/load-balance-groups");
          onDone();
        }
      },
    });

  return (
    <Stack>
      <Select
        label="Compared with"
        data={options.map((one) => ({ value: String(one), label: nameOf(one, live) }))}
        allowDeselect={false}
        value={String(other)}
        onChange={(value) => setOther(Number(value))}
      />
      <Asked query={from}>
        {(before) => (
          <Asked query={to}>
            {(after) => (
              <>
                {after.warnings && (
                  <Alert color="yellow" variant="light">
                    {after.warnings.join(" ")}
                  </Alert>
                )}
                <Text size="sm" c="dimmed">
                  From {lowered(nameOf(Math.min(version, other), live))} to{" "}
                  {lowered(nameOf(Math.max(version, other), live))}:
                </Text>
                <Diff before={before.document} after={after.document} label="What differs" />
              </>
            )}
          </Asked>
        )}
      </Asked>
      {version !== live.version && (
        <Group justify="flex-end">
          <Button
            variant="light"
            color="red"
            disabled={locked}
            title={locked ? "These rules are read-only" : undefined}
            onClick={goBack}
          >
            Go back to this version…
          </Button>
        </Group>
      )}
    </Stack>
  );
}

/** A version with its document. The one before the first is empty, and nobody is asked for it. */
function useVersion(version: number) {
  return $api.useQuery(
    "get",
    "/api/routing/versions/{version}",
    { params: { path: { version } } },
    version === EMPTY
      ? {
          staleTime: Number.POSITIVE_INFINITY,
          initialData: { version, author: null, note: "", created_at: null, managed_by: null, document: {} } as Live,
        }
      : { staleTime: 60_000 },
  );
}

function nameOf(version: number, live: Live): string {
  return version === EMPTY ? "No rules" : `Version ${version}${version === live.version ? ", which holds" : ""}`;
}
