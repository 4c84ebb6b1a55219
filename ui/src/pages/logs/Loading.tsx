// A list of logs on its way.
import { Skeleton, Stack } from "@mantine/core";

export function Loading() {
  return (
    <Stack gap={6} flex={1} role="status" aria-label="Loading">
      {Array.from({ length: 14 }, (_, row) => (
        <Skeleton key={row} height={30} radius="sm" />
      ))}
    </Stack>
  );
}
