// Load balance groups: one id for several models, each with its share of the calls.
import { ActionIcon, Badge, Button, Card, Menu, Group as Row, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { IconArrowsSplit2, IconDots, IconPlus } from "@tabler/icons-react";
import { useState } from "react";
import { CodeBlock, CopyableValue } from "../../parts/Copy";
import { Nothing } from "../../parts/Nothing";
import { percent } from "../../parts/words";
import { GroupEditor } from "./GroupEditor";
import styles from "./routing.module.css";
import { AFFINITIES, type Group, lowered, replaced, STRATEGIES, shares, without } from "./rules";
import type { Draft } from "./useDraft";

export function Groups({ draft, locked }: { draft: Draft; locked: boolean }) {
  const [edited, setEdited] = useState<number | "new" | null>(null);
  const groups = draft.rules.groups ?? [];
  const group = typeof edited === "number" ? groups[edited] : undefined;

  function keep(changed: Group) {
    draft.change({ groups: typeof edited === "number" ? replaced(groups, edited, changed) : [...groups, changed] });
    setEdited(null);
  }

  return (
    <Stack>
      {!locked && (
        <Row justify="flex-end">
          <Button leftSection={<IconPlus size={16} />} onClick={() => setEdited("new")}>
            Add a group
          </Button>
        </Row>
      )}
      {groups.length === 0 ? (
        <Nothing icon={IconArrowsSplit2} title="No group yet">
          A group is one id for several models or credentials: calls name it and are shared out by weight, speed, load
          or price. Or by the command line:{" "}
          <code>gantry groups set fast mistral/mistral-small-latest=3 openai/gpt-4o-mini=1</code>
        </Nothing>
      ) : (
        <>
          <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="md">
            {groups.map((each, place) => (
              <GroupCard
                key={each.id}
                group={each}
                locked={locked}
                onEdit={() => setEdited(place)}
                onRemove={() => draft.change({ groups: without(groups, place) })}
              />
            ))}
          </SimpleGrid>
          <Calling id={groups[0]?.id ?? "fast"} />
        </>
      )}
      <GroupEditor
        key={String(edited)}
        opened={edited !== null}
        group={group ?? null}
        taken={groups.map(({ id }) => id).filter((id) => id !== group?.id)}
        onKeep={keep}
        onClose={() => setEdited(null)}
      />
    </Stack>
  );
}

interface CardProps {
  group: Group;
  locked: boolean;
  onEdit: () => void;
  onRemove: () => void;
}

function GroupCard({ group, locked, onEdit, onRemove }: CardProps) {
  const { id, name, strategy = "weighted", affinity = "auto", members } = group;
  const parts = shares(members);
  return (
    <Card withBorder padding="md" component="section" aria-label={`Group ${id}`}>
      <Row justify="space-between" wrap="nowrap" align="flex-start">
        <div>
          {name && (
            <Title order={2} size="h5">
              {name}
            </Title>
          )}
          <CopyableValue value={id} label={`Copy the id ${id}`} />
        </div>
        {!locked && (
          <Menu position="bottom-end">
            <Menu.Target>
              <ActionIcon aria-label={`What to do with ${id}`}>
                <IconDots size={16} />
              </ActionIcon>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item onClick={onEdit}>Change</Menu.Item>
              <Menu.Item color="red" onClick={onRemove}>
                Remove
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
        )}
      </Row>
      <Text size="sm" c="dimmed" mt={4}>
        {STRATEGIES[strategy].label}: {lowered(STRATEGIES[strategy].means)}. {AFFINITIES[affinity].means}.
      </Text>
      <div className={styles.shares} aria-hidden style={{ marginTop: 12 }}>
        {members.map(({ model, credential }, place) => (
          <div key={`${model} ${credential}`} className={styles.share} style={{ flexGrow: parts[place] }} />
        ))}
      </div>
      <Stack gap={4} mt="xs" role="list" aria-label={`Members of ${id}`}>
        {members.map(({ model, weight = 1, credential }, place) => (
          <Row key={`${model} ${credential}`} role="listitem" justify="space-between" wrap="nowrap" gap="sm">
            <Text size="sm" style={{ minWidth: 0 }}>
              {model}
              {credential && (
                <Text span size="xs" c="dimmed">
                  {" "}
                  with {credential}
                </Text>
              )}
            </Text>
            {weight === 0 ? (
              <Badge variant="default" size="sm">
                drained
              </Badge>
            ) : (
              <Text size="sm" className="numeric">
                {percent(parts[place], 0)}
              </Text>
            )}
          </Row>
        ))}
      </Stack>
    </Card>
  );
}

function Calling({ id }: { id: string }) {
  return (
    <Card withBorder padding="md" maw={820}>
      <Text size="sm" mb="xs">
        A call names the group in place of a model. A removed or unknown one is refused.
      </Text>
      <CodeBlock
        code={`curl ${window.location.origin}/api/chat/completions \\
  -H "Authorization: Bearer YOUR_GANTRY_API_KEY" -H "Content-Type: application/json" \\
  -d '{"load_balance_group": {"group_id": "${id}"}, "messages": [{"role": "user", "content": "Hello!"}]}'`}
      />
    </Card>
  );
}
