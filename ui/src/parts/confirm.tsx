// Before something goes that does not come back: what goes, and whether that is meant.
import { Text } from "@mantine/core";
import { modals } from "@mantine/modals";
import type { ReactNode } from "react";

interface Question {
  title: string;
  body: ReactNode;
  act: string;
  onConfirm: () => void;
}

export function confirm({ title, body, act, onConfirm }: Question): void {
  modals.openConfirmModal({
    title,
    children: (
      <Text component="div" size="sm">
        {body}
      </Text>
    ),
    labels: { confirm: act, cancel: "Cancel" },
    confirmProps: { color: "red" },
    onConfirm,
  });
}
