// Questions that were given a name: one's own, and those shared with the organization. A view is what the address has
// of a question, and nothing of what is open.
import { ActionIcon, Button, Checkbox, Group, Menu, Stack, TextInput, Tooltip } from "@mantine/core";
import { modals } from "@mantine/modals";
import { IconBookmark, IconBookmarkPlus, IconTrash, IconUsers } from "@tabler/icons-react";
import { useState } from "react";
import { $api, api, refresh, type Shapes } from "../../api/client";
import { useMay } from "../../api/session";
import { told } from "../../parts/told";

type View = Shapes["ViewItem"];
type Query = Record<string, unknown>;

interface Props {
  page: string;
  /** What is asked now, as the address has it. */
  query: Query;
  onOpen: (query: Query) => void;
}

const PATH = "/api/saved-views";

export function SavedViews({ page, query, onOpen }: Props) {
  const { data } = $api.useQuery("get", PATH, { params: { query: { page } } });
  const views = data?.results ?? [];
  const mayShare = useMay("inference", "manage");
  const manages = useMay("manage");

  function askForName() {
    const id = modals.open({
      title: "Save this view",
      children: <NameForm page={page} query={query} mayShare={mayShare} onDone={() => modals.close(id)} />,
    });
  }

  async function remove(view: View) {
    const gone = api.DELETE("/api/saved-views/{view_id}", { params: { path: { view_id: view.id } } });
    if (await told(gone, `${view.name} is deleted`)) {
      await refresh(PATH);
    }
  }

  return (
    <Menu position="bottom-end" width={280}>
      <Menu.Target>
        <Tooltip label="Saved views">
          <ActionIcon size="md" variant="default" aria-label="Saved views">
            <IconBookmark size={16} />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown mah={420} style={{ overflowY: "auto" }}>
        {views.length === 0 && <Menu.Label>None yet: save what you look at often</Menu.Label>}
        {views.map((view) => (
          <Group key={view.id} gap={0} wrap="nowrap">
            <Menu.Item
              flex={1}
              miw={0}
              leftSection={view.shared ? <IconUsers size={14} aria-label="Shared" /> : <IconBookmark size={14} />}
              onClick={() => onOpen(view.query)}
            >
              {view.name}
            </Menu.Item>
            {(view.mine || manages) && (
              <Menu.Item
                w="auto"
                aria-label={`Delete the view ${view.name}`}
                closeMenuOnClick={false}
                onClick={() => remove(view)}
              >
                <IconTrash size={14} />
              </Menu.Item>
            )}
          </Group>
        ))}
        <Menu.Divider />
        <Menu.Item leftSection={<IconBookmarkPlus size={14} />} onClick={askForName}>
          Save this view…
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

interface FormProps {
  page: string;
  query: Query;
  mayShare: boolean;
  onDone: () => void;
}

function NameForm({ page, query, mayShare, onDone }: FormProps) {
  const [name, setName] = useState("");
  const [shared, setShared] = useState(false);
  return (
    <form
      onSubmit={async (event) => {
        event.preventDefault();
        const body = { page, name: name.trim(), query, shared };
        if (await told(api.POST(PATH, { body }), `${name.trim()} is saved`)) {
          await refresh(PATH);
          onDone();
        }
      }}
    >
      <Stack>
        <TextInput
          label="Name"
          placeholder="Errors of today"
          data-autofocus
          maxLength={100}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <Checkbox
          label="Share it with the organization"
          description={mayShare ? undefined : "Members may share views; viewers keep their own."}
          disabled={!mayShare}
          checked={shared}
          onChange={(event) => setShared(event.currentTarget.checked)}
        />
        <Group justify="flex-end">
          <Button type="submit" disabled={!name.trim()}>
            Save
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
