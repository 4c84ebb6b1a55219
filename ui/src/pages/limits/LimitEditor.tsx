// The form of a limit. Of one that is there, what it counts stays: that would be another limit.
import { Button, Group, NumberInput, SegmentedControl, Select, Stack, TagsInput, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useState } from "react";
import { api, Refusal, refresh, type Shapes } from "../../api/client";
import { Failed } from "../../parts/Failed";
import { type Limit, PERIODS, SCOPES, UNITS } from "./words";

interface Props {
  limit: Limit | null;
  keys: readonly { id: string; name: string }[];
  onDone: () => void;
}

export function LimitEditor({ limit, keys, onDone }: Props) {
  const [fault, setFault] = useState<unknown>(null);
  const form = useForm({
    initialValues: {
      name: limit?.name ?? "",
      scope: (limit?.scope ?? "organization") as Shapes["LimitScope"],
      subject: limit?.subject ?? "",
      unit: (limit?.unit ?? "cost") as Shapes["LimitUnit"],
      period: (limit?.period ?? "month") as Shapes["Period"],
      amount: limit?.amount ?? ("" as number | ""),
      action: (limit?.action ?? "block") as Shapes["LimitAction"],
      alerts: limit?.alerts.map(String) ?? ["80"],
      environment: limit?.environment ?? "both",
    },
  });
  const { scope, unit } = form.values;

  async function save(values: typeof form.values) {
    setFault(null);
    const changeable = {
      name: values.name,
      amount: Number(values.amount),
      action: values.action,
      alerts: values.alerts.map(Number),
    };
    try {
      if (limit) {
        await api.PATCH("/api/limits/{limit_id}", { params: { path: { limit_id: limit.id } }, body: changeable });
      } else {
        await api.POST("/api/limits", {
          body: {
            ...changeable,
            scope,
            unit,
            ...(scope === "organization" ? {} : { subject: values.subject || "*" }),
            ...(unit === "concurrency" ? {} : { period: values.period }),
            environment: values.environment === "both" ? null : (values.environment as Shapes["Environment"]),
          },
        });
      }
    } catch (error) {
      if (error instanceof Refusal && error.param && error.param in values) {
        form.setFieldError(error.param, error.message);
      } else {
        setFault(error);
      }
      return;
    }
    await refresh("/api/limits");
    onDone();
  }

  return (
    <form onSubmit={form.onSubmit(save)}>
      <Stack>
        {fault != null && <Failed error={fault} />}
        <Select
          label="Of"
          data={[...SCOPES]}
          allowDeselect={false}
          disabled={limit !== null}
          {...form.getInputProps("scope")}
        />
        {scope === "api_key" && (
          <Select
            label="API key"
            placeholder="each of them, apart"
            data={keys.map(({ id, name }) => ({ value: id, label: name }))}
            searchable
            clearable
            disabled={limit !== null}
            {...form.getInputProps("subject")}
          />
        )}
        {(scope === "customer" || scope === "model") && (
          <TextInput
            label={scope === "customer" ? "Customer identifier" : "Model"}
            placeholder="each of them, apart"
            disabled={limit !== null}
            {...form.getInputProps("subject")}
          />
        )}
        <Select
          label="What is counted"
          data={[...UNITS]}
          allowDeselect={false}
          disabled={limit !== null}
          {...form.getInputProps("unit")}
        />
        <Group grow align="flex-start">
          <NumberInput
            label="At most"
            prefix={unit === "cost" ? "$" : undefined}
            min={0}
            required
            allowDecimal={unit === "cost"}
            thousandSeparator=" "
            {...form.getInputProps("amount")}
          />
          {unit !== "concurrency" && (
            <Select
              label="In a"
              data={[...PERIODS]}
              allowDeselect={false}
              disabled={limit !== null}
              {...form.getInputProps("period")}
            />
          )}
        </Group>
        <div>
          <Text size="sm" fw={500} id="limit-action">
            When it is reached
          </Text>
          <SegmentedControl
            fullWidth
            aria-labelledby="limit-action"
            data={[
              { value: "block", label: "Block the call (429)" },
              { value: "warn", label: "Let it pass, and warn" },
            ]}
            {...form.getInputProps("action")}
          />
        </div>
        <TagsInput
          label="Alert at, in per cent of it"
          description="Where alerts go is set on Alerts and webhooks."
          {...form.getInputProps("alerts")}
        />
        <Select
          label="Environment"
          data={[
            { value: "both", label: "Both together" },
            { value: "prod", label: "Production" },
            { value: "test", label: "Test" },
          ]}
          allowDeselect={false}
          disabled={limit !== null}
          {...form.getInputProps("environment")}
        />
        <TextInput label="Name" description="May stay empty." {...form.getInputProps("name")} />
        <Group justify="flex-end">
          <Button type="submit">{limit ? "Save" : "Add"}</Button>
        </Group>
      </Stack>
    </form>
  );
}
