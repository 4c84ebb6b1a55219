// Models: the catalogue with prices, what each can, and how fast it was for you; and models of your own.
//
// Law: what is shown is in the address: the filters, the order, the page, and the model that is open.
import { Button, Group, Pagination, Stack, Text } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconPlus, IconSearch } from "@tabler/icons-react";
import { keepPreviousData } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { $api } from "../../api/client";
import { useMay } from "../../api/session";
import { useAddress } from "../../app/router";
import { Asked } from "../../parts/Asked";
import { DataTable } from "../../parts/DataTable";
import { Nothing } from "../../parts/Nothing";
import { Page } from "../../parts/Page";
import { count } from "../../parts/words";
import { CustomModel } from "./CustomModel";
import { columnsOf } from "./columns";
import { Filters, WhichModels } from "./Filters";
import { ModelPanel } from "./ModelPanel";
import { formOf, type Model, PAGE_SIZE, questionOf } from "./question";

export default function Models() {
  const [address, change] = useAddress();
  const [edited, setEdited] = useState<{ model: Model | null; base: string } | null>(null);
  const may = useMay("manage");
  const providers = $api.useQuery("get", "/api/providers/catalogue");
  const credentials = $api.useQuery("get", "/api/credentials");
  const question = questionOf(address);
  const [search] = useDebouncedValue(question.search, 150);
  const connected = useMemo(
    () => new Set((credentials.data ?? []).map(({ provider_id }) => provider_id)),
    [credentials.data],
  );
  const columns = useMemo(() => columnsOf(connected), [connected]);
  const models = $api.useQuery(
    "post",
    "/api/models/list",
    {
      params: { query: { page: question.page, page_size: PAGE_SIZE, sort_by: question.sort } },
      body: formOf({ ...question, search }, [...connected]),
    },
    { enabled: credentials.data !== undefined, placeholderData: keepPreviousData },
  );
  const open = typeof address.model === "string" ? address.model : null;
  const descending = question.sort.startsWith("-");
  return (
    <Page
      title="Models"
      about="Prices in USD; how often you called each in 30 days, and how fast it was."
      actions={
        <Button
          leftSection={<IconPlus size={16} />}
          disabled={!may}
          title={may ? undefined : "An administrator makes models"}
          onClick={() => setEdited({ model: null, base: "" })}
        >
          Your own model
        </Button>
      }
    >
      <Filters question={question} providers={providers.data ?? []} onChange={change} />
      <Asked query={models} rows={10}>
        {({ results, count: total }) => (
          <Stack>
            <Group justify="space-between">
              <Text size="sm" c="dimmed" role="status">
                {total === 1 ? "1 model" : `${count(total)} models`}
              </Text>
              <WhichModels question={question} onChange={change} />
            </Group>
            <DataTable
              label="Models"
              rows={results}
              columns={columns}
              rowKey={({ model_name }) => model_name}
              open={open}
              onOpen={({ model_name }) => change({ model: model_name })}
              sorted={{ key: question.sort.replace("-", ""), descending }}
              onSort={({ key, descending }) => change({ sort: `${descending ? "-" : ""}${key}`, page: null })}
              empty={<None isConnected={connected.size > 0} onAll={() => change({ connected: false, own: null })} />}
            />
            {total > PAGE_SIZE && (
              <Group justify="center">
                <Pagination
                  total={Math.ceil(total / PAGE_SIZE)}
                  value={question.page}
                  onChange={(page) => change({ page })}
                  size="sm"
                  getControlProps={(control) => ({ "aria-label": `${control} page` })}
                />
              </Group>
            )}
          </Stack>
        )}
      </Asked>
      {open && (
        <ModelPanel
          key={open}
          name={open}
          onClose={() => change({ model: null })}
          onEdit={(model) => setEdited({ model, base: "" })}
          onMake={(base) => setEdited({ model: null, base: base.model_name })}
        />
      )}
      {edited && (
        <CustomModel
          {...edited}
          providers={providers.data ?? []}
          onClose={() => setEdited(null)}
          onRemoved={() => {
            setEdited(null);
            change({ model: null });
          }}
        />
      )}
    </Page>
  );
}

function None({ isConnected, onAll }: { isConnected: boolean; onAll: () => void }) {
  return (
    <Nothing icon={IconSearch} title={isConnected ? "No model is like that" : "No provider is connected"}>
      <Stack gap="sm" align="center">
        {isConnected
          ? "Take a filter away, or look among the models of providers that are not connected."
          : "Connect one, and the models that you can call are here."}
        <Group gap="xs">
          <Button variant="default" onClick={onAll}>
            All models
          </Button>
          {!isConnected && (
            <Button component={Link} to="/providers">
              Connect a provider
            </Button>
          )}
        </Group>
      </Stack>
    </Nothing>
  );
}
