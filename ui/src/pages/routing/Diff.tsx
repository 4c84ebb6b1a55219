// Two documents side by side in one column: what goes, what comes, and a few lines around them.
import { Box, Text } from "@mantine/core";
import { useMemo } from "react";
import { diff, folded, linesOf } from "./diff";
import styles from "./routing.module.css";

const SIGNS = { " ": undefined, "-": styles.gone, "+": styles.come };

export function Diff({ before, after, label }: { before: unknown; after: unknown; label: string }) {
  const lines = useMemo(() => folded(diff(linesOf(before), linesOf(after))), [before, after]);
  if (lines.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        Both are the same.
      </Text>
    );
  }
  return (
    <Box className={styles.diff} tabIndex={0} role="region" aria-label={label}>
      {lines.map((line, place) => {
        const key = `${place}-${line?.text}`;
        return line ? (
          <div key={key} className={SIGNS[line.sign]}>
            {line.sign} {line.text}
          </div>
        ) : (
          <div key={key} className={styles.fold}>
            ⋯
          </div>
        );
      })}
    </Box>
  );
}
