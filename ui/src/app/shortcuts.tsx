// Keys that mean the same on every page; a page's own are declared by the page, with `usePageKeys`.
import { Kbd, Table } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import { useNavigate } from "@tanstack/react-router";
import { useRef } from "react";

const GO: Record<string, string> = {
  s: "/start",
  d: "/dashboard",
  l: "/logs",
  t: "/traces",
  c: "/customers",
  k: "/keys",
  p: "/providers",
  m: "/models",
  r: "/routing",
  i: "/limits",
  y: "/playground",
};

const KEYS: [string, string][] = [
  ["⌘ K", "Go to any page"],
  ["g then l, d, k, p, m…", "Go to Logs, Dashboard, API keys, Providers, Models…"],
  ["/", "Search what is shown"],
  ["f", "Filter what is shown"],
  ["j, k", "Next, previous row"],
  ["Enter", "Open the row"],
  ["Esc", "Close what is open"],
  ["?", "This list"],
];

export function useShortcuts(showHelp: () => void): void {
  const navigate = useNavigate();
  const going = useRef(0);
  useHotkeys([
    ["shift+?", showHelp, { usePhysicalKeys: false }],
    ["?", showHelp],
    [
      "g",
      () => {
        going.current = Date.now();
      },
    ],
    ...Object.entries(GO).map(
      ([key, path]) =>
        [
          key,
          () => {
            if (Date.now() - going.current < 1200) {
              going.current = 0;
              navigate({ to: path });
            }
          },
          { preventDefault: false },
        ] as [string, () => void, { preventDefault: boolean }],
    ),
  ]);
}

export function KeyboardHelp() {
  return (
    <Table>
      <Table.Tbody>
        {KEYS.map(([keys, what]) => (
          <Table.Tr key={keys}>
            <Table.Td>
              <Kbd>{keys}</Kbd>
            </Table.Td>
            <Table.Td>{what}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
