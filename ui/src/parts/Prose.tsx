// Text as models write it: paragraphs, headings, lists, code, emphasis. A small part of Markdown, made of elements and
// never of HTML that somebody wrote; what it does not know is shown as it stands.
import { Code, List, Text } from "@mantine/core";
import { Fragment, type ReactNode } from "react";
import { CodeBlock } from "./Copy";

const FENCE = /^```(\w*)[^\n]*\n([\s\S]*?)(?:^```[ \t]*$|$(?![\s\S]))/m;
const BULLET = /^\s*[-*+] +/;
const NUMBER = /^\s*\d+[.)] +/;
const HEADING = /^(#{1,6}) +(.*)$/;
const INLINE = /(`[^`\n]+`|\*\*[^*\n]+\*\*)/;

export function Prose({ text }: { text: string }) {
  const pieces: ReactNode[] = [];
  let rest = text;
  for (let found = FENCE.exec(rest); found; found = FENCE.exec(rest)) {
    pieces.push(<Paragraphs key={pieces.length} text={rest.slice(0, found.index)} />);
    pieces.push(<CodeBlock key={pieces.length} code={(found[2] ?? "").replace(/\n$/, "")} />);
    rest = rest.slice(found.index + found[0].length);
  }
  return (
    <>
      {pieces}
      <Paragraphs text={rest} />
    </>
  );
}

function Paragraphs({ text }: { text: string }) {
  return text
    .split(/\n{2,}/)
    .filter((block) => block.trim())
    .map((block, place) => (
      <Block key={`${place}-${block.length}`} lines={block.replace(/^\n+|\s+$/g, "").split("\n")} />
    ));
}

function Block({ lines }: { lines: string[] }) {
  const mark = [BULLET, NUMBER].find((mark) => lines.every((line) => mark.test(line)));
  if (mark) {
    return (
      <List size="sm" my={4} type={mark === NUMBER ? "ordered" : "unordered"}>
        {lines.map((line, place) => (
          <List.Item key={`${place}-${line}`}>
            <Inline text={line.replace(mark, "")} />
          </List.Item>
        ))}
      </List>
    );
  }
  const heading = HEADING.exec(lines[0] ?? "");
  if (heading) {
    return (
      <>
        <Text size={heading[1]?.length === 1 ? "md" : "sm"} fw={700} mt={6}>
          <Inline text={heading[2] ?? ""} />
        </Text>
        {lines.length > 1 && <Block lines={lines.slice(1)} />}
      </>
    );
  }
  return (
    <Text size="sm" my={4} style={{ whiteSpace: "pre-wrap" }}>
      <Inline text={lines.join("\n")} />
    </Text>
  );
}

function Inline({ text }: { text: string }) {
  return text.split(INLINE).map((piece, place) => {
    const key = `${place}-${piece.length}`;
    if (piece.length > 2 && piece.startsWith("`") && piece.endsWith("`")) {
      return <Code key={key}>{piece.slice(1, -1)}</Code>;
    }
    if (piece.length > 4 && piece.startsWith("**") && piece.endsWith("**")) {
      return <strong key={key}>{piece.slice(2, -2)}</strong>;
    }
    return <Fragment key={key}>{piece}</Fragment>;
  });
}
