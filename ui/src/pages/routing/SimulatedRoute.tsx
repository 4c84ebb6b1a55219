// The answer to "where would it go?": refused, or attempts in their order, who could serve, and who is left out, and why.
import { Alert, Badge, Box, Card, Group, List, Stack, Table, Text, Title } from "@mantine/core";
import { IconBan } from "@tabler/icons-react";
import { whyWords } from "../../parts/why";
import { duration, percent } from "../../parts/words";
import { AFFINITIES, type Affinity, lowered, STRATEGIES, type Strategy } from "./rules";
import type { SeenStep, Told } from "./simulating";

type Route = NonNullable<Told["route"]>;

export function SimulatedRoute({ told, by }: { told: Told; by: "draft" | "live" }) {
  const { refused, route } = told;
  const source = by === "draft" ? "by the draft" : "by the rules that hold";
  if (refused) {
    return (
      <Alert
        color="red"
        variant="light"
        icon={<IconBan />}
        title={`It would be refused with ${refused.status}, ${source}`}
      >
        {refused.message}
      </Alert>
    );
  }
  if (!route) {
    return null;
  }
  return (
    <Stack gap="md">
      <Card withBorder padding="md">
        <Group justify="space-between" gap="xs" mb="xs">
          <Title order={2} size="h5">
            Attempts, if each fails
          </Title>
          <Badge variant="light" tt="none">
            {source}
          </Badge>
        </Group>
        <Stack gap="xs" role="list" aria-label="Attempts">
          {route.attempts.map((step, place) => (
            <Step key={`${place}-${step.step}`} step={step} place={place} />
          ))}
        </Stack>
        <Terms route={route} told={told} />
      </Card>
      {route.passed_over.length > 0 && (
        <Alert color="yellow" variant="light" title="Passed over">
          <List size="sm">
            {route.passed_over.map((words) => (
              <List.Item key={words}>{words}</List.Item>
            ))}
          </List>
        </Alert>
      )}
      {route.choices.map((choice, place) => (
        <Choice key={choice.asked ?? place} choice={choice} place={place} />
      ))}
    </Stack>
  );
}

function Step({ step, place }: { step: SeenStep; place: number }) {
  return (
    <Box role="listitem">
      <Text size="sm" fw={600}>
        {place + 1}. {step.provider_id}
        {step.model && ` / ${step.model}`}
      </Text>
      <Text size="xs" c="dimmed">
        {whyWords(step)} · credential {step.credential}
        {step.pause > 0 && ` · after a pause of ${duration(step.pause)}`}
      </Text>
    </Box>
  );
}

function Terms({ route, told }: { route: Route; told: Told }) {
  const { deadlines, changes = [], not_acted_on = [] } = told;
  const terms = [
    route.is_sticky && "The conversation decides who takes it.",
    route.num_retries > 0
      ? `${route.num_retries} retries, the first after ${duration(route.retry_after)}.`
      : "No retries.",
    route.hedge &&
      `A second attempt beside the first after ${duration(route.hedge.after)}, for ${percent(route.hedge.share, 0)} of the calls.`,
    deadlines &&
      `Deadlines: first token ${duration(deadlines.first_token)}, silence ${duration(deadlines.idle)}${deadlines.total === null ? "" : `, in all ${duration(deadlines.total)}`}.`,
    changes.length > 0 && `Changed for the first attempt: ${changes.join("; ")}.`,
    not_acted_on.length > 0 && `Not acted on: ${not_acted_on.join(", ")}.`,
  ].filter((each) => typeof each === "string");
  return (
    <List size="sm" mt="sm" c="dimmed">
      {terms.map((words) => (
        <List.Item key={words}>{words}</List.Item>
      ))}
    </List>
  );
}

function Choice({ choice, place }: { choice: Route["choices"][number]; place: number }) {
  const strategy = STRATEGIES[choice.strategy as Strategy];
  const affinity = AFFINITIES[choice.affinity as Affinity];
  return (
    <Card withBorder padding="md">
      <Title order={2} size="h5">
        {place === 0 ? "First" : `Fallback ${place}`}: {choice.asked ?? "what was asked"}
      </Title>
      <Text size="xs" c="dimmed" mb="xs">
        {strategy.label}: {lowered(strategy.means)}. {affinity.means}.
      </Text>
      <Table.ScrollContainer
        minWidth={360}
        type="native"
        tabIndex={0}
        role="region"
        aria-label={`Who serves ${choice.asked}`}
      >
        <Table fz="sm">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Deployment</Table.Th>
              <Table.Th ta="right">Weight</Table.Th>
              <Table.Th ta="right">Share</Table.Th>
              <Table.Th>How it is</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {choice.deployments.map((one) => (
              <Table.Tr key={`${one.provider_id} ${one.credential} ${one.model}`}>
                <Table.Td>
                  {one.provider_id}
                  {one.model && ` / ${one.model}`}
                  <Text size="xs" c="dimmed">
                    credential {one.credential}
                  </Text>
                </Table.Td>
                <Table.Td ta="right" className="numeric">
                  {one.weight.toLocaleString("en", { maximumFractionDigits: 2 })}
                </Table.Td>
                <Table.Td ta="right" className="numeric">
                  {percent(one.share, 0)}
                </Table.Td>
                <Table.Td>
                  {one.condition}
                  {one.latency ? ` · ${duration(one.latency)}` : ""}
                  {one.busy ? ` · ${one.busy} under way` : ""}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {choice.left_out.map(({ provider_id, credential, reason }) => (
        <Text size="xs" c="dimmed" key={`${provider_id} ${credential}`}>
          Left out: {provider_id}/{credential}, for {reason}.
        </Text>
      ))}
    </Card>
  );
}
