// A model as callers write it: typed freely, and found in the catalogue of the providers that are connected.
import { Autocomplete, type AutocompleteProps } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData } from "@tanstack/react-query";
import { $api } from "../../api/client";

interface Props extends Omit<AutocompleteProps, "value" | "onChange" | "data"> {
  value: string;
  onChange: (model: string) => void;
}

const MOST = 40;

export function ModelInput({ value, onChange, ...rest }: Props) {
  const [search] = useDebouncedValue(value.trim(), 200);
  const credentials = $api.useQuery("get", "/api/credentials");
  const connected = [...new Set((credentials.data ?? []).map(({ provider_id }) => provider_id))];
  const models = $api.useQuery(
    "post",
    "/api/models/list",
    {
      params: { query: { page: 1, page_size: MOST, sort_by: "model_name" } },
      body: { filters: { provider: { operator: "in", value: connected } } as never, search, is_exporting: false },
    },
    { enabled: connected.length > 0, placeholderData: keepPreviousData },
  );
  const names = [...new Set((models.data?.results ?? []).map(({ model_name }) => model_name))];
  return (
    <Autocomplete
      placeholder="provider/model"
      {...rest}
      data={names}
      filter={({ options }) => options}
      limit={MOST}
      value={value}
      onChange={onChange}
    />
  );
}
