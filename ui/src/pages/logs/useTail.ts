// Logs as they come, by server-sent events, newest first.
//
// Law: a busy gateway must not make a busy page: what comes within a moment is shown at once, and no more is kept than
// can be looked at. The browser goes on by itself where a stream ended.
import { useEffect, useState } from "react";
import { type Asked, LINES, type Line } from "./useLogs";

const MOST = 1000;
const MOMENT = 250;

export interface Tail {
  lines: readonly Line[];
  state: "off" | "waiting" | "on" | "broken";
}

const NONE: readonly Line[] = [];

export function useTail(asked: Asked, on: boolean, onGap: () => void): Tail {
  const [lines, setLines] = useState(NONE);
  const [state, setState] = useState<Tail["state"]>("off");

  useEffect(() => {
    setLines(NONE);
    setState(on ? "waiting" : "off");
    if (!on) {
      return;
    }
    const source = new EventSource(`/api/request-logs/tail?${tailParameters(asked)}`);
    let come: Line[] = [];
    let timer = 0;

    function show() {
      timer = 0;
      const newest = come.reverse();
      come = [];
      setLines((before) => [...newest, ...before].slice(0, MOST));
    }

    source.addEventListener("log", (event) => {
      come.push(JSON.parse(event.data) as Line);
      timer ||= window.setTimeout(show, MOMENT);
    });
    source.addEventListener("ready", () => setState("on"));
    source.addEventListener("gap", onGap);
    source.addEventListener("error", () => setState(source.readyState === EventSource.CLOSED ? "broken" : "waiting"));
    return () => {
      source.close();
      window.clearTimeout(timer);
    };
  }, [asked, on, onGap]);

  return { lines, state };
}

function tailParameters({ parameters, filters }: Asked): URLSearchParams {
  const { start_time: _, end_time: __, sort_by: ___, ...rest } = parameters;
  return new URLSearchParams({ ...rest, ...LINES, ...filtersParameter(filters) });
}

export function filtersParameter(filters: Asked["filters"]): Record<string, string> {
  return Object.keys(filters).length ? { filters: JSON.stringify(filters) } : {};
}
