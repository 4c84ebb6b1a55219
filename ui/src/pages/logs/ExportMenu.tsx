// All logs that are filtered, as a file: the browser saves the stream as it comes, however long it is.
import { ActionIcon, Menu, Tooltip } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { count } from "../../parts/words";
import type { Asked } from "./useLogs";
import { filtersParameter } from "./useTail";

export function ExportMenu({ asked, total }: { asked: Asked; total: number | undefined }) {
  const { sort_by: _, ...parameters } = asked.parameters;
  const href = (format: string) =>
    `/api/request-logs/export?${new URLSearchParams({ ...parameters, ...filtersParameter(asked.filters), format })}`;
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Tooltip label="Export">
          <ActionIcon size="md" variant="default" aria-label="Export">
            <IconDownload size={16} />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>All {total === undefined ? "" : `${count(total)} `}logs as filtered, with what was said</Menu.Label>
        <Menu.Item component="a" href={href("jsonl")} download="request-logs.jsonl">
          JSON Lines
        </Menu.Item>
        <Menu.Item component="a" href={href("csv")} download="request-logs.csv">
          CSV
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
