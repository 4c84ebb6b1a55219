// A call made again with another model.
import type { Shapes } from "../../../api/client";
import { type Answer, callModel } from "../../../parts/calling";
import { requestOf } from "./snippets";

type Log = Shapes["FullLog"];

export function canReplay(log: Pick<Log, "prompt_messages" | "operation">): boolean {
  return (
    (log.operation === "chat" || log.operation === "responses") &&
    Array.isArray(log.prompt_messages) &&
    log.prompt_messages.some((one) => typeof one === "object" && one !== null && "role" in one)
  );
}

/** Whether all of the request can be sent again, with its tools; and not only what was said. */
export function keepsAll(log: Log): boolean {
  return log.tier === "relay" && log.path.endsWith("/chat/completions") && log.full_request !== null;
}

export function replay(
  log: Log,
  model: string,
  signal: AbortSignal,
  onProgress: (answer: Answer) => void,
): Promise<Answer> {
  const known = { temperature: log.temperature, max_tokens: log.max_tokens };
  const given = Object.fromEntries(Object.entries(known).filter(([, value]) => value !== null));
  const asked = keepsAll(log) ? requestOf(log).body : given;
  const body = { messages: log.prompt_messages, ...asked, model, metadata: { replay_of: log.id } };
  return callModel(body, signal, onProgress);
}
