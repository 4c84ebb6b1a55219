// ⌘K: every page, and what pages offer to do, by typing a few letters of it.
import { Spotlight, type SpotlightActionData } from "@mantine/spotlight";
import { IconSearch } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { PAGES } from "./pages";

export function Commands() {
  const navigate = useNavigate();
  const actions: SpotlightActionData[] = PAGES.map(({ path, label, about, icon: Icon }) => ({
    id: path,
    label,
    description: about,
    leftSection: <Icon size={18} stroke={1.6} />,
    onClick: () => navigate({ to: path }),
  }));
  return (
    <Spotlight
      actions={actions}
      shortcut={["mod + K"]}
      nothingFound="Nothing goes by that name"
      highlightQuery
      searchProps={{ leftSection: <IconSearch size={18} />, placeholder: "Go to…", "aria-label": "Go to" }}
    />
  );
}
