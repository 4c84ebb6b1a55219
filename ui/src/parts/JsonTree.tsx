// JSON, as a tree that opens where one looks. Long lists and texts are shown in part, until more is asked for.
import { Anchor, Box, Text, UnstyledButton } from "@mantine/core";
import { IconChevronDown, IconChevronRight } from "@tabler/icons-react";
import { useState } from "react";
import styles from "./JsonTree.module.css";

const MOST_ENTRIES = 100;
const MOST_CHARACTERS = 600;

export function JsonTree({ value, open = 2 }: { value: unknown; open?: number }) {
  return (
    <Box className={styles.tree}>
      <Node value={value} open={open} />
    </Box>
  );
}

function Node({ name, value, open }: { name?: string; value: unknown; open: number }) {
  if (typeof value === "object" && value !== null) {
    return <Branch name={name} value={value} open={open} />;
  }
  return (
    <div className={styles.leaf}>
      <Name name={name} />
      {typeof value === "string" ? (
        <Words text={value} />
      ) : (
        <span className={styles.plain}>{value === undefined ? "–" : JSON.stringify(value)}</span>
      )}
    </div>
  );
}

function Branch({ name, value, open }: { name?: string; value: object; open: number }) {
  const entries = Object.entries(value);
  const [shown, setShown] = useState(open > 0);
  const [most, setMost] = useState(MOST_ENTRIES);
  const isList = Array.isArray(value);
  const size = isList ? `[${entries.length}]` : `{${entries.length}}`;
  const Sign = shown ? IconChevronDown : IconChevronRight;
  if (entries.length === 0) {
    return (
      <div className={styles.leaf}>
        <Name name={name} />
        <span className={styles.plain}>{isList ? "[]" : "{}"}</span>
      </div>
    );
  }
  return (
    <div>
      <UnstyledButton
        className={styles.branch}
        aria-expanded={shown}
        aria-label={`${name ?? "JSON"} ${size}`}
        onClick={() => setShown(!shown)}
      >
        <Sign size={12} /> <Name name={name} /> <span className={styles.size}>{size}</span>
      </UnstyledButton>
      {shown && (
        <div className={styles.inside}>
          {entries.slice(0, most).map(([key, inner]) => (
            <Node key={key} name={key} value={inner} open={open - 1} />
          ))}
          {entries.length > most && (
            <Anchor component="button" type="button" size="xs" onClick={() => setMost(most + 10 * MOST_ENTRIES)}>
              {entries.length - most} more
            </Anchor>
          )}
        </div>
      )}
    </div>
  );
}

function Name({ name }: { name?: string }) {
  return name === undefined ? null : <span className={styles.name}>{name}: </span>;
}

function Words({ text }: { text: string }) {
  const [all, setAll] = useState(false);
  const cut = !all && text.length > MOST_CHARACTERS;
  return (
    <span className={styles.words}>
      "{cut ? text.slice(0, MOST_CHARACTERS) : text}
      {cut ? "…" : '"'}
      {cut && (
        <Anchor component="button" type="button" size="xs" ml={4} onClick={() => setAll(true)}>
          <Text span inherit>
            all {text.length.toLocaleString("en")} characters
          </Text>
        </Anchor>
      )}
    </span>
  );
}
