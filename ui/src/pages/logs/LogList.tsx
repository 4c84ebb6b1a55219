// The lines of a list, of which only those in view are drawn: a table, and cards on a phone. More are asked for when
// the end comes near, so that a million of them are walked through like a hundred.
// biome-ignore-all lint/a11y/useSemanticElements: only the rows in view are there, each where it belongs, which a <table> cannot do
// biome-ignore-all lint/a11y/useFocusableInteractive: see above; focus is on the link of a row
// biome-ignore-all lint/a11y/useKeyWithClickEvents: a row is opened by the link in it, and by Enter
import { Loader, Text, UnstyledButton } from "@mantine/core";
import { IconArrowDown, IconArrowUp } from "@tabler/icons-react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, type ReactNode, useEffect, useRef } from "react";
import type { LogColumn, Names } from "./columns";
import { LogCard } from "./LogCard";
import styles from "./logs.module.css";
import type { Line } from "./useLogs";

interface Props {
  lines: readonly Line[];
  columns: readonly LogColumn[];
  names: Names;
  cards: boolean;
  /** The place of the row that the keyboard is at, and the id of the log that is open. */
  at: number;
  open: string | null;
  sort: string;
  onSort: (sort: string) => void;
  onOpen: (id: string) => void;
  more: boolean;
  loading: boolean;
  onMore: () => void;
  total: number | undefined;
  /** Told whether the newest are in view. */
  onTop: (top: boolean) => void;
  /** It is of the question before, while the answer is on its way. */
  stale: boolean;
  /** What lies over the beginning. */
  over: ReactNode;
  empty?: ReactNode;
}

const ROW = 36;
const CARD = 92;
const NEAR = 60;

export function LogList(props: Props) {
  const { lines, columns, cards, at, open, more, loading, onMore } = props;
  const place = useRef<HTMLDivElement>(null);
  const height = cards ? CARD : ROW;
  const rows = useVirtualizer({
    count: lines.length,
    getScrollElement: () => place.current,
    estimateSize: () => height,
    getItemKey: (index) => lines[index]?.id ?? index,
    overscan: 12,
    paddingStart: 0,
    scrollPaddingStart: cards ? 0 : 40,
  });
  const shown = rows.getVirtualItems();
  const last = shown.at(-1)?.index ?? 0;

  useEffect(() => {
    if (more && !loading && last >= lines.length - NEAR) {
      onMore();
    }
  }, [last, lines.length, more, loading, onMore]);
  useEffect(() => {
    if (at >= 0) {
      rows.scrollToIndex(at, { align: "auto" });
    }
  }, [at, rows]);
  useEffect(() => rows.measure(), [height, rows]);

  const width = columns.reduce((sum, column) => sum + column.width, 0);
  const address = addressOfList();
  const items = shown.map(({ index, start }) => {
    const line = lines[index];
    return (
      line && (
        <Row
          key={line.id}
          line={line}
          index={index}
          start={start}
          current={line.id === open}
          walked={index === at}
          columns={columns}
          names={props.names}
          cards={cards}
          address={address}
          onOpen={props.onOpen}
        />
      )
    );
  });
  return (
    // It scrolls, so it must be reachable by keyboard.
    <section
      ref={place}
      className={styles.list}
      aria-label="Logs"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: see above
      tabIndex={0}
      data-stale={props.stale || undefined}
      onScroll={(event) => props.onTop(event.currentTarget.scrollTop < height)}
    >
      {props.over && (
        // biome-ignore lint/a11y/noStaticElementInteractions: the button in it is what is pressed
        <div className={styles.over} onClick={() => place.current?.scrollTo({ top: 0 })}>
          {props.over}
        </div>
      )}
      {lines.length === 0 ? (
        props.empty
      ) : cards ? (
        <div className={styles.body} role="list" aria-label="Logs" style={{ height: rows.getTotalSize() }}>
          {items}
        </div>
      ) : (
        <div role="table" aria-label="Logs" aria-rowcount={props.total ?? -1} style={{ minWidth: width }}>
          <div role="rowgroup" className={styles.top}>
            <div className={styles.head} role="row">
              {columns.map((column) => (
                <Head key={column.key} column={column} sort={props.sort} onSort={props.onSort} />
              ))}
            </div>
          </div>
          <div className={styles.body} role="rowgroup" style={{ height: rows.getTotalSize() }}>
            {items}
          </div>
        </div>
      )}
      {(more || loading) && lines.length > 0 && (
        <Text size="xs" c="dimmed" p="xs" ta="center" role="status">
          <Loader size={12} mr={6} /> More
        </Text>
      )}
    </section>
  );
}

interface RowProps {
  line: Line;
  index: number;
  start: number;
  current: boolean;
  walked: boolean;
  columns: readonly LogColumn[];
  names: Names;
  cards: boolean;
  /** Of the list; with a log's id behind it, of that log. */
  address: string;
  onOpen: (id: string) => void;
}

// A row is drawn again only when something of it changes: scrolling moves the view, and draws what comes into it.
const Row = memo(({ line, index, start, current, walked, columns, names, cards, address, onOpen }: RowProps) => {
  const shared = {
    "aria-current": current || undefined,
    "data-at": walked || undefined,
    style: { transform: `translateY(${start}px)` },
    onClick: (event: React.MouseEvent) => {
      if (!(event.ctrlKey || event.metaKey || event.shiftKey)) {
        event.preventDefault();
        onOpen(line.id);
      }
    },
  };
  // A real link, so that a log can be opened in a tab of its own, and by keyboard.
  const opener = (
    <a href={address + line.id} className={styles.open}>
      {columns[0]?.cell(line, names)}
    </a>
  );
  if (cards) {
    return (
      <div className={styles.card} role="listitem" {...shared}>
        <LogCard line={line} opener={opener} />
      </div>
    );
  }
  return (
    <div className={styles.row} role="row" aria-rowindex={index + 2} tabIndex={-1} {...shared}>
      {columns.map((column, place) => (
        <div
          key={column.key}
          role="cell"
          className={`${styles.cell} ${column.right ? styles.right : ""}`}
          style={spread(column)}
        >
          {place === 0 ? opener : asElement(column.cell(line, names))}
        </div>
      ))}
    </div>
  );
});

function addressOfList(): string {
  const search = new URLSearchParams(window.location.search);
  search.delete("log");
  search.append("log", "");
  return `${window.location.pathname}?${search}`;
}

function asElement(content: ReactNode): ReactNode {
  return typeof content === "string" || typeof content === "number" ? <span>{content}</span> : content;
}

function spread({ width, grows }: LogColumn) {
  return { flex: `${grows ? 1 : 0} 0 ${width}px` };
}

function Head({ column, sort, onSort }: { column: LogColumn; sort: string; onSort: (sort: string) => void }) {
  const by = column.sort;
  const mine = by !== undefined && sort.replace("-", "") === by;
  const descending = sort.startsWith("-");
  const Icon = descending ? IconArrowDown : IconArrowUp;
  return (
    <div
      role="columnheader"
      className={`${styles.headCell} ${column.right ? styles.right : ""}`}
      style={spread(column)}
      aria-sort={mine ? (descending ? "descending" : "ascending") : undefined}
    >
      {by ? (
        <UnstyledButton className={styles.sort} onClick={() => onSort(mine && descending ? by : `-${by}`)}>
          {column.head}
          {mine && <Icon size={13} />}
        </UnstyledButton>
      ) : (
        column.head
      )}
    </div>
  );
}
