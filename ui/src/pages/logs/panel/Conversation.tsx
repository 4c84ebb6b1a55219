// What was said, turn by turn. Nothing is fetched from where it points to: pictures and sounds are shown when they are
// in the log itself, and named otherwise.
import { Anchor, Badge, Box, Code, Group, Image, SegmentedControl, Spoiler, Stack, Text } from "@mantine/core";
import { IconBrain, IconFile, IconPhoto, IconTool, IconVolume } from "@tabler/icons-react";
import { type ReactNode, useState } from "react";
import type { Shapes } from "../../../api/client";
import { Copy } from "../../../parts/Copy";
import { JsonTree } from "../../../parts/JsonTree";
import { Prose } from "../../../parts/Prose";
import { count } from "../../../parts/words";
import { type Part, parsed, type Turn, turnsOf } from "./conversation";
import styles from "./panel.module.css";

const LONG = 12_000;

export function Conversation({ log }: { log: Shapes["FullLog"] }) {
  const { asked, answered } = turnsOf(log);
  const [plain, setPlain] = useState(false);
  if (asked.length + answered.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        Nothing of what was said was kept{log.failed ? ", or there was no answer" : ""}. The content policy of the API
        key decides what is.
      </Text>
    );
  }
  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <Text size="xs" c="dimmed">
          {asked.length + answered.length === 1 ? "1 turn" : `${count(asked.length + answered.length)} turns`}
          {log.content_truncated && ", cut where they were too long"}
        </Text>
        <SegmentedControl
          size="xs"
          aria-label="How texts are shown"
          value={plain ? "plain" : "read"}
          onChange={(value) => setPlain(value === "plain")}
          data={[
            { value: "read", label: "Formatted" },
            { value: "plain", label: "As it is" },
          ]}
        />
      </Group>
      <Turns turns={asked} plain={plain} />
      <Turns turns={answered} plain={plain} answer />
      {answered.length === 0 && (
        <Text size="sm" c="dimmed">
          No answer was kept.
        </Text>
      )}
    </Stack>
  );
}

export function Turns({ turns, plain = false, answer = false }: { turns: Turn[]; plain?: boolean; answer?: boolean }) {
  return turns.map((turn, place) => (
    <div key={`${place}-${turn.role}`} className={styles.turn} data-role={turn.role} data-answer={answer || undefined}>
      <Group justify="space-between" gap={4} wrap="nowrap" mih={26}>
        <Text size="xs" fw={650} tt="capitalize">
          {turn.role}
          {turn.name && (
            <Text span inherit c="dimmed" fw={400}>
              {" "}
              {turn.name}
            </Text>
          )}
        </Text>
        <Copy value={textIn(turn.parts)} label={`Copy what ${turn.role} said`} />
      </Group>
      {turn.parts.length === 0 ? (
        <Text size="sm" c="dimmed">
          (nothing)
        </Text>
      ) : (
        turn.parts.map((part, at) => <Shown key={`${at}-${part.kind}`} part={part} plain={plain} />)
      )}
    </div>
  ));
}

function Shown({ part, plain }: { part: Part; plain: boolean }) {
  switch (part.kind) {
    case "text":
      return <Words text={part.text} plain={plain} />;
    case "thinking":
      return (
        <Aside icon={<IconBrain size={14} />} title="Thinking">
          <Spoiler maxHeight={120} showLabel="All of it" hideLabel="Less" fz="sm">
            <Text size="sm" c="dimmed" style={{ whiteSpace: "pre-wrap" }}>
              {part.text || "(not told)"}
            </Text>
          </Spoiler>
        </Aside>
      );
    case "refusal":
      return (
        <Text size="sm" c="var(--mantine-color-error)">
          Refused: {part.text}
        </Text>
      );
    case "image":
      return isInside(part.source) ? (
        <Image
          src={part.source}
          alt="In the log"
          maw={320}
          mah={320}
          w="auto"
          radius="sm"
          my={4}
          className={styles.image}
        />
      ) : (
        <Elsewhere icon={<IconPhoto size={14} />} what="Image" source={part.source} />
      );
    case "audio":
      return (
        <Box my={4}>
          {isInside(part.source) ? (
            // biome-ignore lint/a11y/useMediaCaption: what was said in it stands below, where it is known
            <audio controls src={part.source} aria-label="Audio in the log" />
          ) : (
            <Elsewhere icon={<IconVolume size={14} />} what="Audio" source={part.source} />
          )}
          {part.transcript && <Words text={part.transcript} plain={plain} />}
        </Box>
      );
    case "document":
      return part.text ? (
        <Aside icon={<IconFile size={14} />} title={part.name}>
          <Words text={part.text} plain />
        </Aside>
      ) : isInside(part.source) ? (
        <Anchor href={part.source} download={part.name} size="sm">
          <IconFile size={14} /> {part.name}
        </Anchor>
      ) : (
        <Elsewhere icon={<IconFile size={14} />} what={part.name} source={part.source} />
      );
    case "call":
      return (
        <Aside icon={<IconTool size={14} />} title={<Code>{part.name}</Code>} note={part.id}>
          <Given value={part.given} />
        </Aside>
      );
    case "result":
      return (
        <Aside icon={<IconTool size={14} />} title={`Result${part.name ? ` of ${part.name}` : ""}`} note={part.id}>
          {part.parts.map((inner, place) =>
            inner.kind === "text" ? (
              <Given key={`${place}-text`} value={parsed(inner.text)} />
            ) : (
              <Shown key={`${place}-${inner.kind}`} part={inner} plain={plain} />
            ),
          )}
        </Aside>
      );
    case "json":
      return <JsonTree value={part.value} />;
  }
}

function Words({ text, plain }: { text: string; plain: boolean }) {
  const [all, setAll] = useState(false);
  const shown = all || text.length <= LONG ? text : text.slice(0, LONG);
  const json = !plain && text.length <= LONG ? parsed(text) : text;
  return (
    <>
      {typeof json === "object" && json !== null ? (
        <JsonTree value={json} />
      ) : plain ? (
        <Text size="sm" ff="monospace" style={{ whiteSpace: "pre-wrap" }}>
          {shown}
        </Text>
      ) : (
        <Prose text={shown} />
      )}
      {shown.length < text.length && (
        <Anchor component="button" type="button" size="xs" onClick={() => setAll(true)}>
          All {count(text.length)} characters
        </Anchor>
      )}
    </>
  );
}

function Given({ value }: { value: unknown }) {
  return typeof value === "object" && value !== null ? (
    <JsonTree value={value} />
  ) : (
    <Text size="sm" style={{ whiteSpace: "pre-wrap" }}>
      {String(value ?? "")}
    </Text>
  );
}

interface AsideProps {
  icon: ReactNode;
  title: ReactNode;
  note?: string;
  children: ReactNode;
}

function Aside({ icon, title, note, children }: AsideProps) {
  return (
    <div className={styles.aside}>
      <Group gap={6} wrap="nowrap" mb={2} fz="xs" fw={600}>
        {icon}
        <span>{title}</span>
        {note && (
          <Text span size="xs" c="dimmed" truncate>
            {note}
          </Text>
        )}
      </Group>
      {children}
    </div>
  );
}

function Elsewhere({ icon, what, source }: { icon: ReactNode; what: string; source: string }) {
  return (
    <Group gap={6} my={4} wrap="nowrap" fz="sm">
      {icon}
      <span>{what}</span>
      <Badge size="xs" variant="default" tt="none">
        not in the log
      </Badge>
      {source && (
        <Text span size="xs" c="dimmed" truncate title={source}>
          {source}
        </Text>
      )}
      {source && <Copy value={source} label={`Copy the address of the ${what.toLowerCase()}`} />}
    </Group>
  );
}

function isInside(source: string): boolean {
  return source.startsWith("data:") || source.startsWith("blob:");
}

function textIn(parts: Part[]): string {
  return parts.map(textOf).join("\n");
}

function textOf(part: Part): string {
  switch (part.kind) {
    case "text":
    case "thinking":
    case "refusal":
      return part.text;
    case "call":
      return `${part.name}(${JSON.stringify(part.given)})`;
    case "result":
      return textIn(part.parts);
    case "json":
      return JSON.stringify(part.value, null, 2);
    case "image":
    case "audio":
    case "document":
      return `[${part.kind}]`;
  }
}
