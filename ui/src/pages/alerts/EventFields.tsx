// Which events a channel is told of, and of which environment.
import { Checkbox, Radio, SegmentedControl, SimpleGrid, Stack, Text } from "@mantine/core";
import { ENVIRONMENTS, EVENTS, type Event, type Kind } from "./words";

export interface ToldOf {
  /** None: what is usual. */
  events: Event[];
  all: boolean;
  environment: string;
}

interface Props {
  kind: Kind;
  toldOf: ToldOf;
  onChange: (part: Partial<ToldOf>) => void;
}

export function EventFields({ kind, toldOf, onChange }: Props) {
  const offered = EVENTS.filter(({ event }) => event !== "test" && (event !== "request_log" || kind === "webhook"));
  return (
    <Stack gap="sm">
      <Radio.Group
        label="It is told of"
        value={toldOf.all ? "all" : "some"}
        onChange={(value) => onChange({ all: value === "all" })}
      >
        <Stack gap={6} mt={4}>
          <Radio value="all" label="Everything but request logs, and whatever comes with a later version" />
          <Radio value="some" label="These alone" />
        </Stack>
      </Radio.Group>
      {!toldOf.all && (
        <Checkbox.Group
          label="Events"
          value={toldOf.events}
          onChange={(events) => onChange({ events: events as Event[] })}
        >
          <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="xs" mt={4}>
            {offered.map(({ event, label, means }) => (
              <Checkbox key={event} value={event} label={label} description={means} />
            ))}
          </SimpleGrid>
        </Checkbox.Group>
      )}
      <div>
        <Text size="sm" fw={500} id="channel-environment">
          Environment
        </Text>
        <SegmentedControl
          fullWidth
          aria-labelledby="channel-environment"
          data={ENVIRONMENTS}
          value={toldOf.environment}
          onChange={(environment) => onChange({ environment })}
        />
      </div>
    </Stack>
  );
}

/** The members of a request's body. */
export function toldOfForm({ all, events, environment }: ToldOf) {
  return {
    events: all ? [] : events,
    environment: environment === "both" ? null : (environment as "prod" | "test"),
  };
}
