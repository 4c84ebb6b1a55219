// Whose call it was, by which names it goes, and what was changed on its way.
import { Anchor, Code, List, Stack, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Shapes } from "../../../api/client";
import { JsonTree } from "../../../parts/JsonTree";
import type { Names } from "../columns";
import { fieldLabel } from "../fields";
import { type Fact, Facts } from "./Facts";

type Log = Shapes["FullLog"];

// What has a place of its own here or in another tab; all else was posted with the log.
const IDS = [
  "thread_identifier",
  "trace_unique_id",
  "span_unique_id",
  "span_parent_id",
  "custom_identifier",
  "group_identifier",
  "response_id",
  "upstream_request_id",
] as const;

export function Details({ log, names }: { log: Log; names: Names }) {
  const key = log.organization_key_id;
  return (
    <Stack gap="md">
      <Section title="Names">
        <Facts
          facts={[
            { name: "Log id", value: <Code>{log.id}</Code>, copy: log.id },
            ...IDS.map(
              (name): Fact => ({
                name: fieldLabel(name),
                value: log[name] && (
                  <Same field={name} value={log[name]}>
                    {log[name]}
                  </Same>
                ),
                ...(log[name] ? { copy: log[name] } : {}),
              }),
            ),
            {
              name: "API key",
              value: key && (
                <Same field="organization_key_id" value={key}>
                  {names("organization_key_id", key)}
                </Same>
              ),
            },
            {
              name: "Customer",
              value: log.customer_identifier && (
                <Same field="customer_identifier" value={log.customer_identifier}>
                  {[log.customer_name, log.customer_email, log.customer_identifier].filter(Boolean).join(" · ")}
                </Same>
              ),
            },
          ]}
        />
      </Section>
      <Section title="Call">
        <Facts
          facts={[
            { name: "Path", value: log.path && <Code>{`${log.method} ${log.path}`}</Code> },
            { name: "Operation", value: `${log.operation} (${log.log_type})` },
            { name: "Dialect", value: log.dialect },
            { name: "Requested model", value: log.requested_model },
            { name: "Model", value: log.model },
            { name: "Provider", value: log.provider_id },
            { name: "Credential", value: log.deployment_name },
            { name: "Environment", value: log.environment },
            { name: "Came by", value: log.log_method === "inference" ? "a call" : "being posted" },
            { name: "Finish reason", value: log.finish_reason },
            { name: "Temperature", value: log.temperature },
            { name: "Max tokens", value: log.max_tokens },
            { name: "Tools offered", value: log.tools?.join(", ") },
            { name: "Cache key", value: log.cache_key && <Code>{log.cache_key}</Code> },
            { name: "User agent", value: log.user_agent },
          ]}
        />
      </Section>
      {log.changes?.length ? <Lines title="Parameters changed on the way" lines={log.changes} /> : null}
      {log.warnings?.length ? <Lines title="Warnings" lines={log.warnings} /> : null}
      {log.metadata && (
        <Section title="Metadata">
          <JsonTree value={log.metadata} open={3} />
        </Section>
      )}
      {log.properties && (
        <Section title="Properties">
          <JsonTree value={log.properties} open={3} />
        </Section>
      )}
    </Stack>
  );
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section>
      <Title order={3} size="h6" mb={6}>
        {title}
      </Title>
      {children}
    </section>
  );
}

function Lines({ title, lines }: { title: string; lines: string[] }) {
  return (
    <Section title={title}>
      <List size="sm">
        {lines.map((line) => (
          <List.Item key={line}>
            <Text span size="sm">
              {line}
            </Text>
          </List.Item>
        ))}
      </List>
    </Section>
  );
}

/** Leads to all logs with the same. */
function Same({ field, value, children }: { field: string; value: string; children: ReactNode }) {
  const filters = [{ field, operator: "", values: [value] }];
  return (
    <Anchor
      component={Link}
      size="sm"
      title={`All logs with this ${fieldLabel(field).toLowerCase()}`}
      {...({ to: "/logs", search: (before: object) => ({ ...before, filters }) } as object)}
    >
      {children}
    </Anchor>
  );
}
