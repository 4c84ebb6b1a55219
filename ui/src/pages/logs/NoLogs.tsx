// No logs: because none are as asked, or because there was no call yet; and what to do about it.
import { Button, Group, Text } from "@mantine/core";
import { IconListSearch } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { CodeBlock } from "../../parts/Copy";
import { Nothing } from "../../parts/Nothing";
import { ALL } from "../../parts/range";
import type { Question } from "./question";

interface Props {
  question: Question;
  onWiden: () => void;
  onClear: () => void;
}

export function NoLogs({ question, onWiden, onClear }: Props) {
  const filtered = question.terms.length > 0 || question.search !== "" || question.environment !== "all";
  const bounded = question.range.range !== ALL;
  if (filtered || bounded) {
    return (
      <Nothing icon={IconListSearch} title={filtered ? "No log is like that" : "No calls in this time"}>
        <Text size="sm">
          {filtered
            ? "Take a filter away, or look at a longer time."
            : "Look at a longer time, or make a call: it shows up here within a second."}
        </Text>
        <Group justify="center" gap="xs" mt="sm">
          {bounded && (
            <Button size="xs" variant="light" onClick={onWiden}>
              All time
            </Button>
          )}
          {filtered && (
            <Button size="xs" variant="light" onClick={onClear}>
              Without filters
            </Button>
          )}
          <Button size="xs" variant="subtle" component={Link} to="/start">
            How to call
          </Button>
        </Group>
      </Nothing>
    );
  }
  return (
    <Nothing icon={IconListSearch} title="No calls yet">
      <Text size="sm" mb="sm">
        Every call through the gateway is kept here, with what was said, how long it took and what it cost. Make one:
      </Text>
      <CodeBlock
        code={`curl ${window.location.origin}/api/chat/completions \\
  -H "Authorization: Bearer $GANTRY_API_KEY" -H "Content-Type: application/json" \\
  -d '{"model": "mistral/mistral-small-latest", "messages": [{"role": "user", "content": "Hello!"}]}'`}
      />
    </Nothing>
  );
}
