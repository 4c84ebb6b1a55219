// An entry for the ledger. It names a reference of its own, so that sending it twice enters it once.
import { Button, Group, NumberInput, Select, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useState } from "react";
import { api, refresh, type Shapes } from "../../api/client";
import { Failed } from "../../parts/Failed";

const KINDS = [
  { value: "purchase", label: "purchase: somebody paid for it" },
  { value: "grant", label: "grant: a present" },
  { value: "adjustment", label: "adjustment: a correction, either way" },
  { value: "refund", label: "refund: given back" },
];

export function TopUp({ onDone }: { onDone: () => void }) {
  const [fault, setFault] = useState<unknown>(null);
  const [reference] = useState(() => `console-${crypto.randomUUID()}`);
  const form = useForm({
    initialValues: { amount: "" as number | "", transaction_type: "purchase", description: "", expires_at: "" },
  });

  async function enter(values: typeof form.values) {
    setFault(null);
    try {
      await api.POST("/api/credit-transactions", {
        body: {
          amount: Number(values.amount),
          transaction_type: values.transaction_type as Shapes["EntryKind"],
          description: values.description,
          reference,
          expires_at: values.expires_at ? new Date(values.expires_at).toISOString() : null,
        },
      });
    } catch (error) {
      setFault(error);
      return;
    }
    await refresh("/api/credit-transactions");
    onDone();
  }

  return (
    <form onSubmit={form.onSubmit(enter)}>
      <Stack>
        {fault != null && <Failed error={fault} />}
        <NumberInput label="Amount" prefix="$" required decimalScale={9} {...form.getInputProps("amount")} />
        <Select label="What it is" data={KINDS} allowDeselect={false} {...form.getInputProps("transaction_type")} />
        <TextInput label="For" placeholder="first month" {...form.getInputProps("description")} />
        <TextInput
          type="datetime-local"
          label="Expires"
          description="May stay empty: then it does not."
          {...form.getInputProps("expires_at")}
        />
        <Group justify="flex-end">
          <Button type="submit">Add</Button>
        </Group>
      </Stack>
    </form>
  );
}
