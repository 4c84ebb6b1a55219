// What can be done with a log: taken along as code or as a link, tried again, deleted.
import { ActionIcon, Menu, Tooltip } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import { notifications } from "@mantine/notifications";
import {
  IconBrandPython,
  IconBrandTypescript,
  IconDots,
  IconLink,
  IconMessage2Code,
  IconTerminal2,
  IconTrash,
} from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { api, type Shapes } from "../../../api/client";
import { useMay } from "../../../api/session";
import { confirm } from "../../../parts/confirm";
import { told } from "../../../parts/told";
import { changeLine } from "../useLogs";
import { canReplay } from "./replaying";
import { curlOf, pythonOf, typescriptOf } from "./snippets";

interface Props {
  log: Shapes["FullLog"];
  onDeleted: () => void;
}

export function Acts({ log, onDeleted }: Props) {
  const clipboard = useClipboard();
  const mayDelete = useMay("manage");
  const mayCall = useMay("inference");
  const code = log.log_method === "inference" && log.full_request !== null;

  function copy(text: string, what: string) {
    clipboard.copy(text);
    notifications.show({ message: `${what} is copied`, color: "teal" });
  }

  function askToDelete() {
    confirm({
      title: "Delete this log?",
      body: "It goes with all that was said in it, and does not come back. Sums by hour go on counting it.",
      act: "Delete",
      onConfirm: async () => {
        const path = { log_id: log.id };
        if (await told(api.DELETE("/api/request-logs/{log_id}", { params: { path } }), "The log is deleted")) {
          changeLine(log.id, null);
          onDeleted();
        }
      },
    });
  }

  return (
    <>
      <Tooltip label="Copy the link">
        <ActionIcon aria-label="Copy the link to this log" onClick={() => copy(linkTo(log.id), "The link")}>
          <IconLink size={16} />
        </ActionIcon>
      </Tooltip>
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon aria-label="More to do with this log">
            <IconDots size={16} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>{code ? "Copy as" : "Its request was not kept"}</Menu.Label>
          <Menu.Item
            disabled={!code}
            leftSection={<IconTerminal2 size={14} />}
            onClick={() => copy(curlOf(log, window.location.origin), "The command")}
          >
            curl
          </Menu.Item>
          <Menu.Item
            disabled={!code}
            leftSection={<IconBrandPython size={14} />}
            onClick={() => copy(pythonOf(log, window.location.origin), "The program")}
          >
            Python
          </Menu.Item>
          <Menu.Item
            disabled={!code}
            leftSection={<IconBrandTypescript size={14} />}
            onClick={() => copy(typescriptOf(log, window.location.origin), "The program")}
          >
            TypeScript
          </Menu.Item>
          <Menu.Divider />
          <Menu.Item
            component={Link}
            {...({ to: "/playground", search: { log: log.id } } as object)}
            disabled={!mayCall || !canReplay(log)}
            leftSection={<IconMessage2Code size={14} />}
          >
            Open in the playground
          </Menu.Item>
          <Menu.Item color="red" disabled={!mayDelete} leftSection={<IconTrash size={14} />} onClick={askToDelete}>
            {mayDelete ? "Delete" : "Delete (admins may)"}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </>
  );
}

function linkTo(id: string): string {
  return `${window.location.origin}/ui/logs?log=${id}&range=all`;
}
