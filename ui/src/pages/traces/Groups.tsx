// A list that goes on when it is asked to, with how many there are.
import { Button, Group, Skeleton, Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { Failed } from "../../parts/Failed";
import { count } from "../../parts/words";
import type { Asked } from "../logs/useLogs";
import { type Item, type Path, useGroups } from "./useGroups";

interface Props<P extends Path> {
  path: P;
  asked: Asked;
  what: string;
  children: (items: Item<P>[]) => ReactNode;
}

export function Groups<P extends Path>({ path, asked, what, children }: Props<P>) {
  const found = useGroups(path, asked);
  if (found.isError) {
    return <Failed error={found.error} retry={() => found.refetch()} />;
  }
  if (found.isPending) {
    return (
      <Stack gap="xs" role="status" aria-label="Loading">
        {Array.from({ length: 8 }, (_, row) => (
          <Skeleton key={row} height={36} radius="sm" />
        ))}
      </Stack>
    );
  }
  const items = found.data.pages.flatMap((page) => page.results);
  const first = found.data.pages[0];
  return (
    <>
      {items.length > 0 && first && (
        <Text size="xs" c="dimmed" role="status">
          {first.count_is_exact ? "" : "At least "}
          {first.count === 1 ? `1 ${what}` : `${count(first.count)} ${what}s`}
        </Text>
      )}
      {children(items)}
      {found.hasNextPage && (
        <Group justify="center">
          <Button variant="default" size="xs" loading={found.isFetchingNextPage} onClick={() => found.fetchNextPage()}>
            More
          </Button>
        </Group>
      )}
    </>
  );
}
