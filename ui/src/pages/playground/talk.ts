// A conversation as it is held: turns, of which the last may be growing. Each turn of ours is one call with all before.
import { useCallback, useRef, useState } from "react";
import type { Shapes } from "../../api/client";
import { type Answer, callModel, NOTHING_YET } from "../../parts/calling";

export interface Turn {
  role: "user" | "assistant";
  text: string;
  /** What a turn of the model's came from. */
  model?: string;
  answer?: Answer;
  error?: string;
}

export interface Terms {
  system: string;
  temperature: number | null;
  most: number | null;
}

export interface Talk {
  turns: readonly Turn[];
  busy: boolean;
  say: (model: string, text: string, terms: Terms) => void;
  begin: (turns: readonly Turn[]) => void;
  stop: () => void;
  clear: () => void;
}

export function useTalk(): Talk {
  const [turns, setTurns] = useState<readonly Turn[]>([]);
  const [busy, setBusy] = useState(false);
  const leaving = useRef<AbortController>(null);

  const say = useCallback(
    async (model: string, text: string, { system, temperature, most }: Terms) => {
      const said: Turn[] = [...turns.filter(({ error }) => !error), { role: "user", text }];
      const last = (turn: Partial<Turn>) => setTurns([...said, { role: "assistant", text: "", model, ...turn }]);
      leaving.current = new AbortController();
      setBusy(true);
      last({ answer: NOTHING_YET });
      try {
        const body = {
          model,
          messages: [
            ...(system ? [{ role: "system", content: system }] : []),
            ...said.map(({ role, text }) => ({ role, content: text })),
          ],
          ...(temperature === null ? {} : { temperature }),
          ...(most === null ? {} : { max_tokens: most }),
        };
        const answer = await callModel(body, leaving.current.signal, (answer) => last({ text: answer.text, answer }));
        last({ text: answer.text || answer.calls, answer });
      } catch (error) {
        if (leaving.current.signal.aborted) {
          setTurns((now) =>
            now.map((turn) => (turn.role === "assistant" && !turn.text ? { ...turn, text: "…" } : turn)),
          );
        } else {
          last({ error: error instanceof Error ? error.message : String(error) });
        }
      } finally {
        setBusy(false);
      }
    },
    [turns],
  );
  const begin = useCallback((begun: readonly Turn[]) => setTurns(begun), []);
  const stop = useCallback(() => leaving.current?.abort(), []);
  const clear = useCallback(() => {
    leaving.current?.abort();
    setTurns([]);
  }, []);
  return { turns, busy, say, begin, stop, clear };
}

/** The conversation of a log, as far as it is text: what else was said cannot be said again here. */
export function fromLog(log: Shapes["FullLog"]): { system: string; turns: Turn[] } {
  const messages = Array.isArray(log.prompt_messages)
    ? (log.prompt_messages as { role?: string; content?: unknown }[])
    : [];
  const system = messages
    .filter(({ role }) => role === "system" || role === "developer")
    .map(({ content }) => textOf(content));
  const turns = messages
    .filter(({ role }) => role === "user" || role === "assistant")
    .map(({ role, content }) => ({ role: role as Turn["role"], text: textOf(content) }));
  return { system: system.join("\n\n"), turns };
}

function textOf(content: unknown): string {
  if (typeof content === "string") {
    return content;
  }
  const parts = Array.isArray(content) ? (content as { text?: unknown }[]) : [];
  return parts.map(({ text }) => (typeof text === "string" ? text : "")).join("");
}
