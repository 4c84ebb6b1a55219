// How calls are charged: the markup, where the balance must stand, and what becomes of calls whose price is not known.
import { Button, Card, Checkbox, Group, NumberInput, Select, SimpleGrid, Text } from "@mantine/core";
import { useForm } from "@mantine/form";
import { $api, api, refresh, type Shapes } from "../../api/client";
import { useMay } from "../../api/session";
import { Asked } from "../../parts/Asked";
import { told } from "../../parts/told";

type Books = Shapes["BooksItem"];

const UNPRICED = [
  { value: "allow", label: "let them pass, uncounted by budgets" },
  { value: "block", label: "block them where a budget would count them" },
];

export function BooksCard() {
  const books = $api.useQuery("get", "/api/books");
  return (
    <Card withBorder padding="md">
      <Text fw={600} mb="xs">
        How calls are charged
      </Text>
      <Asked query={books} rows={2}>
        {(found) => <BooksEditor key={JSON.stringify(found)} books={found} />}
      </Asked>
    </Card>
  );
}

function BooksEditor({ books }: { books: Books }) {
  const mayManage = useMay("manage") && !books.managed_by;
  const form = useForm({ initialValues: { ...books, low_balance: books.low_balance ?? ("" as number | "") } });

  async function save(values: typeof form.values) {
    const { unpriced, stop_streams, markup, minimum_balance, low_balance } = values;
    const body = {
      unpriced,
      stop_streams,
      markup,
      minimum_balance,
      low_balance: low_balance === "" ? null : low_balance,
    };
    await told(api.PATCH("/api/books", { body }), "Saved.");
    await refresh("/api/books", "/api/credit-transactions");
  }

  return (
    <form onSubmit={form.onSubmit(save)}>
      <SimpleGrid cols={{ base: 1, sm: 2, lg: 4 }}>
        <NumberInput
          label="Markup on platform credentials"
          suffix=" %"
          disabled={!mayManage}
          {...form.getInputProps("markup")}
        />
        <NumberInput
          label="Lowest balance"
          prefix="$"
          disabled={!mayManage}
          {...form.getInputProps("minimum_balance")}
        />
        <NumberInput
          label="Alert below"
          prefix="$"
          placeholder="never"
          disabled={!mayManage}
          {...form.getInputProps("low_balance")}
        />
        <Select
          label="Calls whose price is not known"
          data={UNPRICED}
          allowDeselect={false}
          disabled={!mayManage}
          {...form.getInputProps("unpriced")}
        />
      </SimpleGrid>
      <Group justify="space-between" mt="sm">
        <Checkbox
          label="End a stream, well-formed, when a budget that blocks has no more for it"
          disabled={!mayManage}
          {...form.getInputProps("stop_streams", { type: "checkbox" })}
        />
        {books.managed_by ? (
          <Text size="sm" c="dimmed">
            Declared in gantry.toml.
          </Text>
        ) : (
          mayManage && (
            <Button type="submit" variant="light" disabled={!form.isDirty()}>
              Save
            </Button>
          )
        )}
      </Group>
    </form>
  );
}
