// Load balancing and fallback: the organization's routing rules, edited as one draft, saved as one version.
//
// Law: nothing here holds before it is saved. The tab is in the address, as is what the tab has open.
import { Alert, Badge, List, Tabs, Text } from "@mantine/core";
import { IconAlertTriangle, IconLock } from "@tabler/icons-react";
import { $api, type Shapes } from "../../api/client";
import { useMay } from "../../api/session";
import { useAddress } from "../../app/router";
import { Asked } from "../../parts/Asked";
import { Page } from "../../parts/Page";
import { Defaults } from "./Defaults";
import { DraftBar } from "./DraftBar";
import { Fallback } from "./Fallback";
import { Groups } from "./Groups";
import { History } from "./History";
import { ModelRules } from "./ModelRules";
import { Simulate } from "./Simulate";
import { useDraft } from "./useDraft";

export default function Routing() {
  const rules = $api.useQuery("get", "/api/routing");
  return (
    <Page
      title="Load balancing and fallback"
      about="Who takes a call, what follows when it fails, and what is remembered. A call that says otherwise of itself wins over these rules."
    >
      <Asked query={rules}>{(live) => <Edited live={live} />}</Asked>
    </Page>
  );
}

function Edited({ live }: { live: Shapes["RulesItem"] }) {
  const [address, change] = useAddress();
  const may = useMay("manage");
  const draft = useDraft(live);
  const locked = !may || live.managed_by !== null;
  const { groups = [], fallback_models = [], models = [] } = draft.rules;
  const tabs = [
    { value: "groups", label: "Groups", count: groups.length, content: <Groups draft={draft} locked={locked} /> },
    {
      value: "fallback",
      label: "Fallback",
      count: fallback_models.length,
      content: <Fallback draft={draft} locked={locked} />,
    },
    { value: "models", label: "By model", count: models.length, content: <ModelRules draft={draft} locked={locked} /> },
    { value: "defaults", label: "Retries and cache", content: <Defaults draft={draft} locked={locked} /> },
    { value: "simulate", label: "Simulate", content: <Simulate draft={draft} /> },
    { value: "history", label: "History", content: <History live={live} locked={locked} /> },
  ];
  const shown = tabs.find(({ value }) => value === address.tab)?.value ?? "groups";
  return (
    <>
      {live.managed_by !== null && (
        <Alert color="gray" variant="light" icon={<IconLock />} title={`Declared in ${live.managed_by}`}>
          These rules are read from there at each start, and are not changed here. Take its [routing] table away, and
          what was written by hand holds again.
        </Alert>
      )}
      {!may && live.managed_by === null && (
        <Text size="sm" c="dimmed">
          You see the rules; an administrator changes them.
        </Text>
      )}
      {live.warnings && (
        <Alert color="yellow" variant="light" icon={<IconAlertTriangle />} title="The rules name what is not there">
          <List size="sm">
            {live.warnings.map((words) => (
              <List.Item key={words}>{words}</List.Item>
            ))}
          </List>
        </Alert>
      )}
      <DraftBar live={live} draft={draft} locked={locked} />
      <Tabs
        value={shown}
        onChange={(tab) => change({ tab: tab === "groups" ? null : tab, version: null })}
        keepMounted={false}
      >
        <Tabs.List mb="md">
          {tabs.map(({ value, label, count }) => (
            <Tabs.Tab
              key={value}
              value={value}
              rightSection={
                count ? (
                  <Badge size="sm" variant="default">
                    {count}
                  </Badge>
                ) : null
              }
            >
              {label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {tabs.map(({ value, content }) => (
          <Tabs.Panel key={value} value={value}>
            {content}
          </Tabs.Panel>
        ))}
      </Tabs>
    </>
  );
}
