// One customer: what it came to, what it may spend, and how it is forgotten.
import { Anchor, Button, Group, NumberInput, Select, SimpleGrid, Stack, Text, TextInput, Title } from "@mantine/core";
import { useForm } from "@mantine/form";
import { Link } from "@tanstack/react-router";
import { $api, api, refresh, type Shapes } from "../../api/client";
import { useMay } from "../../api/session";
import { Asked } from "../../parts/Asked";
import { confirm } from "../../parts/confirm";
import { told } from "../../parts/told";
import { compact, count, duration, moment, money } from "../../parts/words";

interface Props {
  identifier: string;
  environment: "prod" | "test";
  onGone: () => void;
}

const PERIODS = ["hourly", "daily", "weekly", "monthly", "yearly"] as const;

export function Customer({ identifier, environment, onGone }: Props) {
  const path = { customer_identifier: identifier };
  const user = $api.useQuery("get", "/api/users/{customer_identifier}", {
    params: { path, query: { environment } as never },
  });
  return (
    <Asked query={user}>
      {(found) => (
        <Stack gap="lg">
          <SimpleGrid cols={2}>
            <Fact label="Cost in all" value={money(found.total_cost)} />
            <Fact label="Cost in this period" value={money(found.total_period_usage)} />
            <Fact
              label="Requests"
              value={`${count(found.number_of_requests)}, ${count(found.number_of_errors)} failed`}
            />
            <Fact
              label="Tokens in, out"
              value={`${compact(found.total_prompt_tokens)}, ${compact(found.total_completion_tokens)}`}
            />
            <Fact
              label="Latency, to first token"
              value={`${duration(found.average_latency)}, ${duration(found.average_ttft)}`}
            />
            <Fact label="First seen" value={moment(found.first_seen)} />
          </SimpleGrid>
          <Anchor
            size="sm"
            component={Link}
            {...({ to: "/logs", search: { range: "all", customer_identifier: identifier } } as object)}
            underline="always"
          >
            Its logs
          </Anchor>
          <Terms user={found} environment={environment} />
          <Forget identifier={identifier} onGone={onGone} />
        </Stack>
      )}
    </Asked>
  );
}

function Fact({ label, value }: { label: string; value: string }) {
  return (
    <div>
      <Text size="xs" c="dimmed">
        {label}
      </Text>
      <Text fw={500}>{value}</Text>
    </div>
  );
}

function Terms({ user, environment }: { user: Shapes["FullUser"]; environment: "prod" | "test" }) {
  const mayManage = useMay("manage");
  const form = useForm({
    initialValues: {
      name: user.name ?? "",
      email: user.email ?? "",
      period_budget: user.period_budget ?? ("" as number | ""),
      budget_duration: user.budget_duration ?? "monthly",
      total_budget: user.total_budget ?? ("" as number | ""),
      rate_limit: user.rate_limit ?? ("" as number | ""),
      markup_percentage: user.markup_percentage,
    },
  });

  async function save(values: typeof form.values) {
    const orNull = (value: number | "") => (value === "" ? null : value);
    const saved = await told(
      api.PATCH("/api/users/{customer_identifier}", {
        params: { path: { customer_identifier: user.customer_identifier }, query: { environment } as never },
        body: {
          name: values.name || null,
          email: values.email || null,
          period_budget: orNull(values.period_budget),
          budget_duration: values.budget_duration as (typeof PERIODS)[number],
          total_budget: orNull(values.total_budget),
          rate_limit: orNull(values.rate_limit),
          markup_percentage: values.markup_percentage,
        },
      }),
      "Saved.",
    );
    if (saved) {
      form.resetDirty();
      await refresh("/api/users");
    }
  }

  return (
    <form onSubmit={form.onSubmit(save)}>
      <Stack gap="sm">
        <Title order={2} size="h5">
          What it may spend
        </Title>
        <SimpleGrid cols={2}>
          <NumberInput
            label="Budget"
            prefix="$"
            placeholder="none"
            min={0}
            disabled={!mayManage}
            {...form.getInputProps("period_budget")}
          />
          <Select
            label="In each"
            data={[...PERIODS]}
            allowDeselect={false}
            disabled={!mayManage}
            {...form.getInputProps("budget_duration")}
          />
          <NumberInput
            label="Budget in all"
            prefix="$"
            placeholder="none"
            min={0}
            disabled={!mayManage}
            {...form.getInputProps("total_budget")}
          />
          <NumberInput
            label="Calls a minute"
            placeholder="any"
            min={1}
            disabled={!mayManage}
            {...form.getInputProps("rate_limit")}
          />
          <NumberInput label="Markup" suffix=" %" disabled={!mayManage} {...form.getInputProps("markup_percentage")} />
        </SimpleGrid>
        <SimpleGrid cols={2}>
          <TextInput label="Name" disabled={!mayManage} {...form.getInputProps("name")} />
          <TextInput label="E-mail" type="email" disabled={!mayManage} {...form.getInputProps("email")} />
        </SimpleGrid>
        {mayManage && (
          <Group justify="flex-end">
            <Button type="submit" disabled={!form.isDirty()}>
              Save
            </Button>
          </Group>
        )}
      </Stack>
    </form>
  );
}

function Forget({ identifier, onGone }: { identifier: string; onGone: () => void }) {
  const mayManage = useMay("manage");
  if (!mayManage) {
    return null;
  }

  async function erase() {
    const body = { customer_identifier: identifier };
    if (await told(api.POST("/api/erasures", { body }), "Erased. The receipt is on Settings, under Privacy.")) {
      await refresh("/api/users", "/api/erasures");
      onGone();
    }
  }

  return (
    <Stack gap={4}>
      <Title order={2} size="h5">
        Erase
      </Title>
      <Text size="sm" c="dimmed">
        Deletes the logs of this customer with all that was said, and what is known of it. Sums of your organization
        stay. You get a receipt.
      </Text>
      <Group>
        <Button
          color="red"
          variant="light"
          onClick={() =>
            confirm({
              title: `Erase ${identifier}?`,
              body: "It does not come back.",
              act: "Erase",
              onConfirm: erase,
            })
          }
        >
          Erase this customer
        </Button>
      </Group>
    </Stack>
  );
}
