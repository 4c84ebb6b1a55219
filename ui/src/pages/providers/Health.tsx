// How a credential's deployments are now: well, failing, or left alone for a while; and the way to forget it.
import { Badge, Button, Group, Stack, Text } from "@mantine/core";
import { api, refresh } from "../../api/client";
import { useMay } from "../../api/session";
import { told } from "../../parts/told";
import { When } from "../../parts/When";
import { percent } from "../../parts/words";
import type { Deployment } from "./useProviders";

export function Health({ deployments }: { deployments: readonly Deployment[] }) {
  const may = useMay("manage");
  const known = deployments.filter(({ condition, failing }) => condition !== "well" || failing > 0);
  if (known.length === 0) {
    return (
      <Badge variant="light" color="teal" tt="none">
        well
      </Badge>
    );
  }

  async function reset(deployment: string) {
    if (
      await told(api.POST("/api/health/deployments/reset", { body: { deployment, all: false } }), "It is tried again.")
    ) {
      await refresh("/api/health");
    }
  }

  return (
    <Stack gap={4}>
      {known.map((one) => (
        <Group key={one.deployment} gap="xs" wrap="wrap" justify="inherit">
          <Badge variant="light" color={one.condition === "cooling" ? "red" : "orange"} tt="none">
            {one.condition}
          </Badge>
          <Text size="xs">
            {one.model ?? "all models"} · {percent(one.failing, 0)} failing
            {one.last_status ? ` · ${one.last_status}` : ""}
            {one.until && (
              <>
                {" "}
                · again <When at={one.until} />
              </>
            )}
          </Text>
          {may && (
            <Button size="compact-xs" variant="subtle" onClick={() => reset(one.deployment)}>
              Reset
            </Button>
          )}
        </Group>
      ))}
    </Stack>
  );
}
