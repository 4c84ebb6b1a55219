// Alerts and webhooks: where the organization hears of things, what it has heard, and when it is told.
//
// Law: the tab is in the address, and what it has open. A secret is shown by the answer that made it, and never again.
import { Tabs } from "@mantine/core";
import { IconLock } from "@tabler/icons-react";
import { useMay } from "../../api/session";
import { useAddress } from "../../app/router";
import { Nothing } from "../../parts/Nothing";
import { Page } from "../../parts/Page";
import { Channels } from "./Channels";
import { Deliveries } from "./Deliveries";
import { Raised } from "./Raised";
import { RaisingRules } from "./RaisingRules";

const TABS = [
  { value: "channels", label: "Channels", content: <Channels /> },
  { value: "alerts", label: "Alerts", content: <Raised /> },
  { value: "deliveries", label: "Deliveries", content: <Deliveries /> },
  { value: "rules", label: "Rules", content: <RaisingRules /> },
];

export default function Alerts() {
  const [address, change] = useAddress();
  const may = useMay("manage");
  const shown = TABS.find(({ value }) => value === address.tab)?.value ?? "channels";
  return (
    <Page
      title="Alerts and webhooks"
      about="What somebody wants to know is said once, and delivered surely: to a webhook, to Slack, or by mail."
    >
      {may ? (
        <Tabs
          value={shown}
          onChange={(tab) => change({ tab: tab === "channels" ? null : tab, state: null, delivery: null })}
          keepMounted={false}
        >
          <Tabs.List mb="md">
            {TABS.map(({ value, label }) => (
              <Tabs.Tab key={value} value={value}>
                {label}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          {TABS.map(({ value, content }) => (
            <Tabs.Panel key={value} value={value}>
              {content}
            </Tabs.Panel>
          ))}
        </Tabs>
      ) : (
        <Nothing icon={IconLock} title="Administrators see alerts">
          A channel is a way out of the organization, so channels, alerts and their rules take the right to manage. Ask
          an administrator to have you told.
        </Nothing>
      )}
    </Page>
  );
}
