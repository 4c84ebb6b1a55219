// What people add to a log: good or bad, pinned, a note. Whoever may not add sees what is there.
import { ActionIcon, Button, Group, Text, Textarea, Tooltip } from "@mantine/core";
import {
  IconNote,
  IconPin,
  IconPinFilled,
  IconThumbDown,
  IconThumbDownFilled,
  IconThumbUp,
  IconThumbUpFilled,
} from "@tabler/icons-react";
import { useState } from "react";
import { api, queries, type Shapes } from "../../../api/client";
import { useMay } from "../../../api/session";
import { told } from "../../../parts/told";
import { changeLine } from "../useLogs";

type Log = Shapes["FullLog"];
type Change = Partial<Pick<Log, "is_pinned" | "positive_feedback" | "note">>;

async function mark(log: Log, change: Change): Promise<void> {
  const path = { log_id: log.id };
  const { data } = await api.PATCH("/api/request-logs/{log_id}", {
    params: { path },
    body: { ...change, metadata: null },
  });
  queries.setQueryData(["get", "/api/request-logs/{log_id}", { params: { path } }], data);
  changeLine(log.id, change);
}

export function Marks({ log }: { log: Log }) {
  const may = useMay("ingest");
  const [note, setNote] = useState<string | null>(null);
  const feedback = log.positive_feedback;
  if (!may) {
    return log.note ? <Text size="sm">Note: {log.note}</Text> : null;
  }
  return (
    <div>
      <Group gap={2}>
        <Mark
          label="Good answer"
          pressed={feedback === true}
          icon={feedback === true ? <IconThumbUpFilled size={16} /> : <IconThumbUp size={16} />}
          onPress={() => mark(log, { positive_feedback: feedback === true ? null : true })}
        />
        <Mark
          label="Bad answer"
          pressed={feedback === false}
          icon={feedback === false ? <IconThumbDownFilled size={16} /> : <IconThumbDown size={16} />}
          onPress={() => mark(log, { positive_feedback: feedback === false ? null : false })}
        />
        <Mark
          label="Pin"
          pressed={log.is_pinned}
          icon={log.is_pinned ? <IconPinFilled size={16} /> : <IconPin size={16} />}
          onPress={() => mark(log, { is_pinned: !log.is_pinned })}
        />
        {note === null && (
          <Button
            size="compact-xs"
            variant="subtle"
            color="gray"
            leftSection={<IconNote size={14} />}
            onClick={() => setNote(log.note ?? "")}
            maw="100%"
          >
            {log.note || "Add a note"}
          </Button>
        )}
      </Group>
      {note !== null && (
        <form
          onSubmit={async (event) => {
            event.preventDefault();
            if (await told(mark(log, { note: note.trim() || null }))) {
              setNote(null);
            }
          }}
        >
          <Textarea
            aria-label="Note"
            autosize
            minRows={2}
            maxRows={8}
            data-autofocus
            value={note}
            onChange={(event) => setNote(event.currentTarget.value)}
          />
          <Group gap="xs" mt={6}>
            <Button type="submit" size="compact-sm">
              Keep the note
            </Button>
            <Button size="compact-sm" variant="subtle" onClick={() => setNote(null)}>
              Cancel
            </Button>
          </Group>
        </form>
      )}
    </div>
  );
}

interface MarkProps {
  label: string;
  pressed: boolean;
  icon: React.ReactNode;
  onPress: () => Promise<void>;
}

function Mark({ label, pressed, icon, onPress }: MarkProps) {
  return (
    <Tooltip label={label}>
      <ActionIcon aria-label={label} aria-pressed={pressed} onClick={() => told(onPress())}>
        {icon}
      </ActionIcon>
    </Tooltip>
  );
}
