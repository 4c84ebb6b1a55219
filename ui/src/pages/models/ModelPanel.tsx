// One model: what it is, what it costs and by whose word, who serves it, and how it is called.
import { Alert, Anchor, Badge, Button, Code, Divider, Drawer, Group, SimpleGrid, Stack, Text } from "@mantine/core";
import { IconMessage2Code } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { $api } from "../../api/client";
import { useMay } from "../../api/session";
import { Asked } from "../../parts/Asked";
import { CopyableValue } from "../../parts/Copy";
import { Snippets } from "../../parts/Snippets";
import { When } from "../../parts/When";
import { compact, count, duration, percent } from "../../parts/words";
import { abilitiesOf, tokens } from "./columns";
import { PriceCard } from "./PriceCard";
import { type Model, serving } from "./question";

interface Props {
  name: string;
  onClose: () => void;
  onEdit: (model: Model) => void;
  onMake: (base: Model) => void;
}

export function ModelPanel({ name, onClose, onEdit, onMake }: Props) {
  const found = $api.useQuery("post", "/api/models/list", {
    params: { query: { page_size: 1 } },
    body: { filters: { model_name: name } as never, search: "", is_exporting: false },
  });
  return (
    <Drawer
      opened
      onClose={onClose}
      position="right"
      size="xl"
      title="Model"
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <Asked query={found}>
        {({ results: [model] }) =>
          model ? (
            <Opened model={model} onEdit={onEdit} onMake={onMake} />
          ) : (
            <Alert color="gray" variant="light" title="There is no such model">
              It may have been removed, or it goes by another name: search for it in the list.
            </Alert>
          )
        }
      </Asked>
    </Drawer>
  );
}

function Opened({ model, onEdit, onMake }: { model: Model } & Pick<Props, "onEdit" | "onMake">) {
  const may = useMay("manage");
  const isOwn = model.affiliation_category === "custom";
  return (
    <Stack>
      <Stack gap={4}>
        <CopyableValue value={model.model_name} label="Copy the name" />
        <Group gap="xs">
          {model.display_name !== model.model_name && <Text fw={600}>{model.display_name}</Text>}
          {model.provider && <Badge variant="default" tt="none">{`${model.provider.provider_name}`}</Badge>}
          {isOwn && (
            <Badge variant="light" tt="none">
              Your own
            </Badge>
          )}
        </Group>
        {model.model_description && <Text size="sm">{model.model_description}</Text>}
        {model.aliases.length > 0 && (
          <Text size="sm" c="dimmed">
            Also called {model.aliases.join(", ")}
          </Text>
        )}
        {model.base_model_name && (
          <Text size="sm" c="dimmed">
            Calls <Code>{model.base_model_name}</Code>
          </Text>
        )}
      </Stack>
      {(model.is_deprecated || model.retires_at) && <Retiring model={model} />}
      <Group gap="xs">
        <Button
          component={Link}
          {...({ to: "/playground", search: { model: model.model_name } } as object)}
          size="xs"
          leftSection={<IconMessage2Code size={14} />}
        >
          Open in Playground
        </Button>
        {isOwn ? (
          <Button
            size="xs"
            variant="default"
            disabled={!may || model.managed_by !== null}
            onClick={() => onEdit(model)}
          >
            Change…
          </Button>
        ) : (
          <Button size="xs" variant="default" disabled={!may} onClick={() => onMake(model)}>
            Make your own of it…
          </Button>
        )}
        {model.managed_by && <Text size="xs">Declared in {model.managed_by}; change it there.</Text>}
      </Group>
      <Facts model={model} />
      <PriceCard model={model} />
      <Serving model={model} />
      <Divider label="Code" labelPosition="left" />
      <Snippets model={model.model_name} />
    </Stack>
  );
}

function Retiring({ model }: { model: Model }) {
  return (
    <Alert color="orange" variant="light" title={model.is_deprecated ? "It is deprecated" : "It will be retired"}>
      {model.retires_at && `Its provider may answer for it no more from ${model.retires_at} on. `}
      {model.replacement_model && `In its place: ${model.replacement_model}.`}
    </Alert>
  );
}

function Facts({ model }: { model: Model }) {
  const { capability, throughput } = model;
  const facts: [string, string][] = [
    ["Type", model.model_type ?? "–"],
    ["Context", tokens(model.max_context_window)],
    ["Longest answer", tokens(capability?.max_completion_tokens ?? null)],
    ["Takes", capability?.modality.input.join(", ") || "–"],
    ["Gives", capability?.modality.output.join(", ") || "–"],
    ["Can", abilitiesOf(model).join(", ") || "–"],
    ["Tokens a second", throughput ? compact(throughput.average_tps && Math.round(throughput.average_tps)) : "–"],
    ["First token", duration(throughput?.average_ttft)],
    ["Latency", duration(throughput?.average_latency)],
  ];
  return (
    <Stack gap="xs">
      <SimpleGrid cols={{ base: 2, xs: 3 }} spacing="sm">
        {facts.map(([name, value]) => (
          <div key={name}>
            <Text size="xs" c="dimmed">
              {name}
            </Text>
            <Text size="sm">{value}</Text>
          </div>
        ))}
      </SimpleGrid>
      <Text size="xs" c="dimmed">
        {throughput
          ? `Speed as measured in ${count(throughput.number_of_requests)} calls of yours in 30 days.`
          : "Nobody of yours called it in 30 days, so its speed is not measured."}
      </Text>
    </Stack>
  );
}

function Serving({ model }: { model: Model }) {
  const credentials = $api.useQuery("get", "/api/credentials");
  return (
    <Stack gap="xs">
      <Divider label="Served by" labelPosition="left" />
      <Asked query={credentials} rows={1}>
        {(credentials) => {
          const found = serving(model, credentials);
          const sum = found.reduce((sum, { weight }) => sum + weight, 0);
          return found.length > 0 ? (
            <Group gap="xs">
              {found.map((one) => (
                <Anchor
                  key={one.id}
                  component={Link}
                  {...({ to: "/providers", search: { credential: one.id } } as object)}
                  size="sm"
                >
                  {one.provider_id}/{one.name} · {percent(one.weight / sum, 0)}
                </Anchor>
              ))}
            </Group>
          ) : (
            <Group gap="xs">
              <Text size="sm">No credential of yours serves it.</Text>
              {model.provider && (
                <Anchor
                  component={Link}
                  {...({ to: "/providers", search: { add: model.provider.provider_id } } as object)}
                  size="sm"
                >
                  Connect {model.provider.provider_name}
                </Anchor>
              )}
            </Group>
          );
        }}
      </Asked>
      {model.updated_at && (
        <Text size="xs" c="dimmed">
          Changed <When at={model.updated_at} />
        </Text>
      )}
    </Stack>
  );
}
