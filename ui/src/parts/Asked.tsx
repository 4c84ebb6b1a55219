// The three states of anything that is asked for: on its way, failed, there.
import { Skeleton, Stack } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Failed } from "./Failed";

interface Props<T> {
  query: UseQueryResult<T, unknown>;
  rows?: number;
  children: (data: T) => ReactNode;
}

export function Asked<T>({ query, rows = 4, children }: Props<T>) {
  if (query.data !== undefined) {
    return <>{children(query.data)}</>;
  }
  if (query.isError) {
    return <Failed error={query.error} retry={() => query.refetch()} />;
  }
  return (
    <Stack gap="xs" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, row) => (
        <Skeleton key={row} height={36} radius="sm" />
      ))}
    </Stack>
  );
}
