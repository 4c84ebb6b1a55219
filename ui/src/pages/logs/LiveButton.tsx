// Whether new logs are shown as they come.
import { Button, Tooltip } from "@mantine/core";
import { IconPlayerPause, IconPlayerPlay, IconPlugConnectedX } from "@tabler/icons-react";
import type { Tail } from "./useTail";

interface Props {
  state: Tail["state"];
  /** Why they cannot be; null when they can. */
  hindered: string | null;
  onChange: (on: boolean) => void;
}

export function LiveButton({ state, hindered, onChange }: Props) {
  const on = state !== "off";
  const broken = state === "broken";
  const Sign = broken ? IconPlugConnectedX : on ? IconPlayerPause : IconPlayerPlay;
  const about = broken
    ? "The stream broke off. Ask again, or sign in again."
    : on
      ? "Stop showing new logs"
      : "Show new logs as they come";
  return (
    <Tooltip label={hindered ?? about}>
      <Button
        size="xs"
        variant={on ? "light" : "default"}
        color={broken ? "red" : undefined}
        leftSection={<Sign size={14} />}
        aria-pressed={on}
        data-state={state}
        disabled={hindered !== null}
        onClick={() => onChange(!on)}
      >
        Live
      </Button>
    </Tooltip>
  );
}
