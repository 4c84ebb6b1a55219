// How long logs are kept: by age, and by the room they take. What was counted stays when a log goes.
import { Button, Card, Group, NumberInput, SimpleGrid, Stack, Text } from "@mantine/core";
import { useForm } from "@mantine/form";
import { $api, api, refresh, type Shapes } from "../../api/client";
import { useMay } from "../../api/session";
import { Asked } from "../../parts/Asked";
import { told } from "../../parts/told";
import { count, moment } from "../../parts/words";

const GB = 1_000_000_000;

export function Retention() {
  const retention = $api.useQuery("get", "/api/retention");
  return <Asked query={retention}>{(found) => <Editor key={JSON.stringify(found)} retention={found} />}</Asked>;
}

function Editor({ retention }: { retention: Shapes["RetentionItem"] }) {
  const mayManage = useMay("manage");
  const form = useForm({
    initialValues: {
      days: retention.days ?? ("" as number | ""),
      body_days: retention.body_days ?? ("" as number | ""),
      test_days: retention.test_days ?? ("" as number | ""),
      gigabytes: retention.max_bytes == null ? ("" as number | "") : retention.max_bytes / GB,
    },
  });

  async function save({ days, body_days, test_days, gigabytes }: typeof form.values) {
    const orNull = (value: number | "") => (value === "" ? null : value);
    const body = {
      days: orNull(days),
      body_days: orNull(body_days),
      test_days: orNull(test_days),
      max_bytes: gigabytes === "" ? null : Math.round(gigabytes * GB),
    };
    await told(api.PATCH("/api/retention", { body }), "Saved. What is older goes in the background.");
    await refresh("/api/retention");
  }

  return (
    <Card withBorder padding="md" component="form" onSubmit={form.onSubmit(save)}>
      <Stack>
        <Text size="sm" c="dimmed">
          What is left empty is kept for ever. Pinned logs stay, and so do sums, customers and the ledger. The oldest
          log is of {moment(retention.oldest_log_at)}
          {retention.waiting > 0 && `; ${count(retention.waiting)} logs are about to go`}.
        </Text>
        <SimpleGrid cols={{ base: 1, sm: 2, lg: 4 }}>
          <NumberInput
            label="Logs, for days"
            placeholder="for ever"
            min={1}
            disabled={!mayManage}
            {...form.getInputProps("days")}
          />
          <NumberInput
            label="What was said, for days"
            placeholder="as long as the log"
            min={1}
            disabled={!mayManage}
            {...form.getInputProps("body_days")}
          />
          <NumberInput
            label="Logs of tests, for days"
            placeholder="as others"
            min={1}
            disabled={!mayManage}
            {...form.getInputProps("test_days")}
          />
          <NumberInput
            label="At most"
            suffix=" GB"
            placeholder="any"
            min={0}
            disabled={!mayManage}
            {...form.getInputProps("gigabytes")}
          />
        </SimpleGrid>
        {mayManage && (
          <Group justify="flex-end">
            <Button type="submit" disabled={!form.isDirty()}>
              Save
            </Button>
          </Group>
        )}
      </Stack>
    </Card>
  );
}
