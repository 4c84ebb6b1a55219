// Rules by model: the first whose pattern fits a call's model holds. Their order matters, and is shown and changed.
import { ActionIcon, Button, Card, Code, Group, Menu, Stack, Text } from "@mantine/core";
import { IconArrowDown, IconArrowUp, IconDots, IconPlus, IconRoute } from "@tabler/icons-react";
import { useState } from "react";
import { Nothing } from "../../parts/Nothing";
import { duration, percent } from "../../parts/words";
import { RuleEditor } from "./RuleEditor";
import {
  AFFINITIES,
  lowered,
  type ModelRule,
  moved,
  replaced,
  STRATEGIES,
  TIMEOUTS,
  USUAL_HEDGE_SHARE,
  USUAL_RETRIES,
  without,
} from "./rules";
import type { Draft } from "./useDraft";

export function ModelRules({ draft, locked }: { draft: Draft; locked: boolean }) {
  const [edited, setEdited] = useState<number | "new" | null>(null);
  const models = draft.rules.models ?? [];
  const rule = typeof edited === "number" ? models[edited] : undefined;

  function keep(changed: ModelRule) {
    draft.change({ models: typeof edited === "number" ? replaced(models, edited, changed) : [...models, changed] });
    setEdited(null);
  }

  return (
    <Stack maw={920}>
      <Group justify="space-between">
        <Text size="sm" c="dimmed" flex="1 1 240px">
          The first rule that fits holds. What it leaves open is as for all calls.
        </Text>
        {!locked && (
          <Button leftSection={<IconPlus size={16} />} onClick={() => setEdited("new")}>
            Add a rule
          </Button>
        )}
      </Group>
      {models.length === 0 ? (
        <Nothing icon={IconRoute} title="All models are treated alike">
          A rule gives some models other fallbacks, retries, deadlines or a hedge: a model that callers wait for, say,
          five seconds to its first token, and then another model.
        </Nothing>
      ) : (
        <Stack gap="xs" role="list" aria-label="Rules by model">
          {models.map((each, place) => (
            <Card key={each.match} withBorder padding="sm" role="listitem" aria-label={`Rule for ${each.match}`}>
              <Group justify="space-between" wrap="nowrap" align="flex-start" gap="xs">
                <div style={{ minWidth: 0 }}>
                  <Code>{each.match}</Code>
                  {wordsOf(each).map((words) => (
                    <Text size="sm" key={words} mt={4}>
                      {words}
                    </Text>
                  ))}
                </div>
                {!locked && (
                  <Group gap={0} wrap="nowrap">
                    <ActionIcon
                      aria-label={`Move the rule for ${each.match} up`}
                      disabled={place === 0}
                      onClick={() => draft.change({ models: moved(models, place, place - 1) })}
                    >
                      <IconArrowUp size={16} />
                    </ActionIcon>
                    <ActionIcon
                      aria-label={`Move the rule for ${each.match} down`}
                      disabled={place === models.length - 1}
                      onClick={() => draft.change({ models: moved(models, place, place + 1) })}
                    >
                      <IconArrowDown size={16} />
                    </ActionIcon>
                    <Menu position="bottom-end">
                      <Menu.Target>
                        <ActionIcon aria-label={`What to do with the rule for ${each.match}`}>
                          <IconDots size={16} />
                        </ActionIcon>
                      </Menu.Target>
                      <Menu.Dropdown>
                        <Menu.Item onClick={() => setEdited(place)}>Change</Menu.Item>
                        <Menu.Item color="red" onClick={() => draft.change({ models: without(models, place) })}>
                          Remove
                        </Menu.Item>
                      </Menu.Dropdown>
                    </Menu>
                  </Group>
                )}
              </Group>
            </Card>
          ))}
        </Stack>
      )}
      <RuleEditor
        key={String(edited)}
        opened={edited !== null}
        rule={rule ?? null}
        taken={models.map(({ match }) => match).filter((match) => match !== rule?.match)}
        onKeep={keep}
        onClose={() => setEdited(null)}
      />
    </Stack>
  );
}

function wordsOf(rule: ModelRule): string[] {
  const { fallback_models, retries, hedge, strategy, affinity } = rule;
  const timeouts = TIMEOUTS.flatMap(({ name, label }) => {
    const seconds = rule[name];
    return seconds === undefined ? [] : [`${lowered(label)} ${duration(seconds)}`];
  });
  const words = [
    fallback_models?.length && `If it fails: ${fallback_models.join(", then ")}.`,
    retries &&
      `${retries.num_retries ?? USUAL_RETRIES.num_retries} retries, the first after ${duration(retries.retry_after ?? USUAL_RETRIES.retry_after)}.`,
    hedge &&
      `A second attempt after ${duration(hedge.after)}, for ${percent(hedge.share ?? USUAL_HEDGE_SHARE, 0)} of the calls.`,
    timeouts.length > 0 && `Deadlines: ${timeouts.join(", ")}.`,
    strategy && `Between its credentials: ${lowered(STRATEGIES[strategy].label)}.`,
    affinity && `${AFFINITIES[affinity].means}.`,
  ].filter((each) => typeof each === "string");
  return words.length ? words : ["It says nothing yet, but keeps later rules from these models."];
}
