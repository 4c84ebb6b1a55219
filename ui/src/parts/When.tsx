// A time: how long ago, and on hovering when exactly.
import { Text, Tooltip } from "@mantine/core";
import { ago, moment } from "./words";

export function When({ at }: { at: string | null | undefined }) {
  return at ? (
    <Tooltip label={moment(at)}>
      <Text component="time" dateTime={at} inherit span className="numeric">
        {ago(at)}
      </Text>
    </Tooltip>
  ) : (
    <Text inherit span c="dimmed">
      never
    </Text>
  );
}
