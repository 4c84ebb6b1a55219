// Settings: oneself, the team, how long logs are kept, what was erased, prices of one's own, what leaves by itself, and who
// changed what.
import { Tabs } from "@mantine/core";
import { useMay } from "../../api/session";
import { useAddress } from "../../app/router";
import { Page } from "../../parts/Page";
import { Audit } from "./Audit";
import { Exports } from "./Exports";
import { OrganizationCard } from "./OrganizationCard";
import { Prices } from "./Prices";
import { Privacy } from "./Privacy";
import { Retention } from "./Retention";
import { Team } from "./Team";
import { You } from "./You";

export default function Settings() {
  const [{ tab }, change] = useAddress();
  const mayTeam = useMay("team");
  const mayManage = useMay("manage");
  const tabs = [
    { value: "you", label: "You", content: <You /> },
    ...(mayTeam ? [{ value: "team", label: "Team", content: <Team /> }] : []),
    { value: "organization", label: "Organization", content: <OrganizationCard /> },
    { value: "prices", label: "Prices", content: <Prices /> },
    { value: "retention", label: "Retention", content: <Retention /> },
    ...(mayManage ? [{ value: "privacy", label: "Privacy", content: <Privacy /> }] : []),
    ...(mayManage ? [{ value: "exports", label: "Exports", content: <Exports /> }] : []),
    ...(mayTeam ? [{ value: "audit", label: "Audit log", content: <Audit /> }] : []),
  ];
  const shown = tabs.find(({ value }) => value === tab)?.value ?? "you";
  return (
    <Page title="Settings" about="Of you and of your organization.">
      <Tabs
        value={shown}
        onChange={(value) => change({ tab: value === "you" ? null : value, page: null })}
        keepMounted={false}
      >
        <Tabs.List mb="md">
          {tabs.map(({ value, label }) => (
            <Tabs.Tab key={value} value={value}>
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
    </Page>
  );
}
