// j and k walk the rows, Enter opens one; with a log open, walking opens the next.
import { useHotkeys } from "@mantine/hooks";
import { useState } from "react";
import type { Line } from "./useLogs";

export function useRowWalk(lines: readonly Line[], open: string | null, show: (id: string) => void) {
  const [id, setId] = useState<string | null>(null);
  const place = (wanted: string | null) => (wanted === null ? -1 : lines.findIndex((line) => line.id === wanted));
  const at = place(open ?? id);

  function move(step: number) {
    const line = lines[Math.max(0, Math.min(lines.length - 1, at + step))];
    if (line) {
      setId(line.id);
      if (open !== null) {
        show(line.id);
      }
    }
  }

  function goTo(step: number) {
    const line = at < 0 ? undefined : lines[at + step];
    return line && (() => show(line.id));
  }

  useHotkeys([
    ["j", () => move(1)],
    ["k", () => move(-1)],
    [
      "Enter",
      (event) => {
        if (id !== null && open === null && !(event.target as HTMLElement).closest("a, button")) {
          show(id);
        }
      },
      { preventDefault: false },
    ],
  ]);
  return { at, forget: () => setId(null), previous: goTo(-1), next: goTo(1) };
}
