// How much of a limit is used: a bar with its words, which say the same without it.
import { Progress, Stack, Text } from "@mantine/core";

interface Props {
  used: number;
  limit: number | null;
  format: (value: number) => string;
  label: string;
}

export function Used({ used, limit, format, label }: Props) {
  if (limit === null) {
    return <>{format(used)}</>;
  }
  const share = limit === 0 ? 1 : used / limit;
  return (
    <Stack gap={2} miw={110}>
      <Text inherit span className="numeric">
        {format(used)} of {format(limit)}
      </Text>
      <Progress.Root size="sm">
        <Progress.Section
          value={Math.min(100, share * 100)}
          color={share >= 1 ? "red" : share >= 0.8 ? "orange" : "gantry"}
          aria-label={`${label}: ${Math.round(share * 100)} % used`}
        />
      </Progress.Root>
    </Stack>
  );
}
