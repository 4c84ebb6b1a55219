// Logs: every call, found by time, words and conditions, and shown in full beside the list.
//
// Law: the address has what is asked and which log is open; a question is asked at a moment, so that the pages that are
// scrolled to belong together, until it is asked again.
import { Button } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconArrowUp } from "@tabler/icons-react";
import { useCallback, useMemo, useState } from "react";
import { useAddress } from "../../app/router";
import { Failed } from "../../parts/Failed";
import { Page } from "../../parts/Page";
import { count } from "../../parts/words";
import { ColumnChooser } from "./ColumnChooser";
import { TIME, useColumns } from "./columns";
import { ExportMenu } from "./ExportMenu";
import { LiveButton } from "./LiveButton";
import { Loading } from "./Loading";
import { LogList } from "./LogList";
import styles from "./logs.module.css";
import { NoLogs } from "./NoLogs";
import { LogPanel } from "./panel/LogPanel";
import { addressOf, addressOfView, NEWEST, readQuestion, viewOf } from "./question";
import { SavedViews } from "./SavedViews";
import { Split } from "./Split";
import { Sums } from "./Sums";
import { Toolbar } from "./Toolbar";
import { type Line, useAsked, useFields, useLogs, useSums } from "./useLogs";
import { useNames } from "./useNames";
import { useRowWalk } from "./useRowWalk";
import { useTail } from "./useTail";

const ON_PHONE = [TIME];
const NONE: readonly Line[] = [];
const SUMS_AGAIN = 10_000;

export default function Logs() {
  const [search, change] = useAddress();
  const [now, setNow] = useState(Date.now);
  const [top, setTop] = useState(true);
  const isPhone = useMediaQuery("(max-width: 48em)", false, { getInitialValueInEffect: false });
  const question = readQuestion(search);
  const asked = useAsked(question, now);
  const hindered =
    question.sort !== NEWEST
      ? "Sort by time to see new logs as they come"
      : question.range.to
        ? "The range has ended"
        : null;
  const live = Boolean(search.live) && hindered === null;
  const logs = useLogs(asked);
  const sums = useSums(asked, live && SUMS_AGAIN);
  const askAgain = useCallback(() => setNow(Date.now()), []);
  const tail = useTail(asked, live, askAgain);
  const come = useHeld(tail.lines, top);
  const fields = useFields(asked).data ?? {};
  const names = useNames();
  const [columns, setColumns] = useColumns();
  const pages = logs.data?.pages;
  const lines = useMemo(() => merge(come, pages?.flatMap((page) => page.results) ?? NONE), [come, pages]);
  const open = typeof search.log === "string" ? search.log : null;
  const show = useCallback(
    (id: string | null) => change(id === null ? { log: null, tab: null } : { log: id }, true),
    [change],
  );
  const openLog = useCallback((id: string) => change({ log: id }), [change]);
  const walk = useRowWalk(lines, open, show);
  const waiting = tail.lines.length - come.length;

  function ask(part: Record<string, unknown>) {
    askAgain();
    walk.forget();
    change(part);
  }

  const covered = isPhone && open !== null;
  return (
    <Page title="Logs" fill>
      <div className={styles.tools} inert={covered}>
        <Toolbar
          question={question}
          fields={fields}
          names={names}
          onTerms={(terms) => ask(addressOf(terms, search))}
          onChange={ask}
          onRefresh={askAgain}
          refreshing={logs.isFetching && !logs.isFetchingNextPage}
          actions={
            <>
              <LiveButton state={tail.state} hindered={hindered} onChange={(on) => change({ live: on || null })} />
              <SavedViews page="logs" query={viewOf(search)} onOpen={(query) => ask(addressOfView(query, search))} />
              <ExportMenu asked={asked} total={sums.data?.number_of_requests} />
              {!isPhone && <ColumnChooser columns={columns} onChange={setColumns} />}
            </>
          }
        />
        <Sums query={sums} />
      </div>
      <Split
        full={isPhone}
        panel={
          open !== null && (
            <LogPanel id={open} names={names} previous={walk.previous} next={walk.next} onClose={() => show(null)} />
          )
        }
      >
        {logs.isError ? (
          <Failed error={logs.error} retry={() => logs.refetch()} />
        ) : logs.isPending ? (
          <Loading />
        ) : (
          <LogList
            lines={lines}
            columns={isPhone ? ON_PHONE : columns}
            names={names}
            cards={isPhone}
            at={walk.at}
            open={open}
            sort={question.sort}
            onSort={(sort) => ask({ sort: sort === NEWEST ? null : sort })}
            onOpen={openLog}
            more={logs.hasNextPage}
            loading={logs.isFetchingNextPage}
            stale={logs.isPlaceholderData}
            onMore={logs.fetchNextPage}
            onTop={setTop}
            total={sums.data?.number_of_requests}
            over={
              waiting > 0 && (
                <Button size="compact-xs" leftSection={<IconArrowUp size={12} />} onClick={() => setTop(true)}>
                  {count(waiting)} new
                </Button>
              )
            }
            empty={
              <NoLogs
                question={question}
                onWiden={() => ask({ range: "all", from: null, to: null })}
                onClear={() => ask({ ...addressOf([], search), q: null, environment: null })}
              />
            }
          />
        )}
      </Split>
    </Page>
  );
}

/** New lines are held back while one reads further down, so that nothing moves under the eye. */
function useHeld(lines: readonly Line[], top: boolean): readonly Line[] {
  const [held, setHeld] = useState(lines);
  if (held !== lines && (top || lines.length === 0)) {
    setHeld(lines);
    return lines;
  }
  return held;
}

function merge(come: readonly Line[], listed: readonly Line[]): readonly Line[] {
  if (come.length === 0) {
    return listed;
  }
  const known = new Set(listed.map(({ id }) => id));
  return [...come.filter(({ id }) => !known.has(id)), ...listed];
}
