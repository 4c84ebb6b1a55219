// Traces and threads: calls that belong together, as the tree of a piece of work or as a conversation in turn.
//
// Law: both are views over logs. They are found by the conditions of logs, and each part of them opens its log.
import { SegmentedControl } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useCallback, useState } from "react";
import { useAddress } from "../../app/router";
import { Page } from "../../parts/Page";
import { LogPanel } from "../logs/panel/LogPanel";
import { addressOf, readQuestion } from "../logs/question";
import { Split } from "../logs/Split";
import { Toolbar } from "../logs/Toolbar";
import { useAsked, useFields } from "../logs/useLogs";
import { useNames } from "../logs/useNames";
import { ThreadList } from "./ThreadList";
import { ThreadView } from "./ThreadView";
import { TraceList } from "./TraceList";
import { TraceView } from "./TraceView";
import styles from "./traces.module.css";

export default function Traces() {
  const [search, change] = useAddress();
  const [now, setNow] = useState(Date.now);
  const question = readQuestion(search, OTHER);
  const asked = useAsked(question, now);
  const fields = useFields(asked).data ?? {};
  const names = useNames();
  const isPhone = useMediaQuery("(max-width: 48em)", false, { getInitialValueInEffect: false });
  const askAgain = useCallback(() => setNow(Date.now()), []);
  const threads = search.view === "threads";
  const trace = textOf(search.trace);
  const thread = textOf(search.thread);
  const log = textOf(search.log);
  const openLog = (id: string) => change({ log: id }, log !== null);
  const close = () => change({ log: null, tab: null });

  function ask(part: Record<string, unknown>) {
    askAgain();
    change(part);
  }

  const opened = trace !== null || thread !== null;
  return (
    <Page
      title="Traces and threads"
      fill={opened}
      about={
        opened
          ? undefined
          : "Calls that belong together: the steps of an agent or a pipeline, the turns of a conversation."
      }
      actions={
        <SegmentedControl
          size="xs"
          aria-label="What is shown"
          value={threads || thread !== null ? "threads" : "traces"}
          onChange={(view) =>
            change({ view: view === "threads" ? view : null, trace: null, thread: null, log: null, tab: null })
          }
          data={[
            { value: "traces", label: "Traces" },
            { value: "threads", label: "Threads" },
          ]}
        />
      }
    >
      {opened ? (
        <Split full={isPhone} panel={log !== null && <LogPanel id={log} names={names} onClose={close} />}>
          <div className={styles.view}>
            {trace !== null ? (
              <TraceView
                id={trace}
                log={log}
                onOpen={openLog}
                onBack={() => change({ trace: null, log: null, tab: null })}
              />
            ) : (
              <ThreadView
                id={thread ?? ""}
                log={log}
                onOpen={openLog}
                onBack={() => change({ thread: null, log: null, tab: null })}
              />
            )}
          </div>
        </Split>
      ) : (
        <>
          <Toolbar
            question={question}
            fields={fields}
            names={names}
            onTerms={(terms) => ask(addressOf(terms, search, OTHER))}
            onChange={ask}
            onRefresh={askAgain}
            refreshing={false}
            actions={null}
          />
          {threads ? (
            <ThreadList asked={asked} onOpen={(id) => change({ thread: id })} />
          ) : (
            <TraceList asked={asked} onOpen={(id) => change({ trace: id })} />
          )}
        </>
      )}
    </Page>
  );
}

// Members of this page's address that are no conditions.
const OTHER = ["trace", "thread"];

function textOf(value: unknown): string | null {
  return value == null || value === "" ? null : String(value);
}
