// What a provider said when a credential was tried.
import { Alert } from "@mantine/core";
import { IconCheck, IconQuestionMark, IconX } from "@tabler/icons-react";
import type { Verdict } from "./credentials";

export function VerdictAlert({ verdict }: { verdict: Verdict }) {
  const [color, Icon, title] =
    verdict.ok === null
      ? (["gray", IconQuestionMark, "This cannot be asked for free"] as const)
      : verdict.ok
        ? (["teal", IconCheck, "It works"] as const)
        : (["red", IconX, "It does not work"] as const);
  return (
    <Alert color={color} variant="light" icon={<Icon />} title={title} role="status">
      {verdict.text}.
    </Alert>
  );
}
