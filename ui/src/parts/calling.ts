// A model called from the browser, as any client calls it: with a key of a few minutes, and streamed.
import { api, queries, Refusal, refusalOf } from "../api/client";

export interface Answer {
  text: string;
  calls: string;
  /** Milliseconds from the sending. */
  first: number | null;
  took: number | null;
  logId: string | null;
}

export const NOTHING_YET: Answer = { text: "", calls: "", first: null, took: null, logId: null };

const TEN_MINUTES = 600_000; // of the quarter of an hour that a key is good for

/** A key of the playground, lent for a while. It goes with all else that is known when the session changes. */
export function borrowKey(): Promise<string> {
  return queries.fetchQuery({
    queryKey: ["calling", "key"],
    queryFn: async () => {
      const { data } = await api.POST("/api/playground/keys");
      return data?.api_key ?? "";
    },
    staleTime: TEN_MINUTES,
    gcTime: TEN_MINUTES,
  });
}

/** Call a model with the body of a chat in OpenAI's format; `onProgress` sees the answer grow. Throws a Refusal. */
export async function callModel(
  body: { model: string; messages: unknown } & Record<string, unknown>,
  signal: AbortSignal,
  onProgress: (answer: Answer) => void,
): Promise<Answer> {
  const key = await borrowKey();
  const began = performance.now();
  const response = await fetch("/api/chat/completions", {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ ...body, stream: true }),
    signal,
  });
  if (!response.ok || response.body === null) {
    throw await refusalOf(response);
  }
  let answer: Answer = { ...NOTHING_YET, logId: response.headers.get("x-gantry-log-id") };
  for await (const data of eventsOf(response.body)) {
    const delta = deltaOf(data);
    if (delta.text || delta.calls) {
      answer = {
        ...answer,
        text: answer.text + delta.text,
        calls: answer.calls + delta.calls,
        first: answer.first ?? performance.now() - began,
      };
      onProgress(answer);
    }
  }
  return { ...answer, took: performance.now() - began };
}

async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    const lines = (rest + piece.value).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line.startsWith("data:")) {
        yield line.slice(5).trim();
      }
    }
  }
}

interface Chunk {
  choices?: { delta?: { content?: unknown; tool_calls?: { function?: { name?: string; arguments?: string } }[] } }[];
  error?: { message?: string };
}

function deltaOf(data: string): { text: string; calls: string } {
  if (data === "[DONE]") {
    return { text: "", calls: "" };
  }
  const chunk = JSON.parse(data) as Chunk;
  if (chunk.error) {
    throw new Refusal(0, chunk.error.message ?? "The answer broke off.");
  }
  const delta = chunk.choices?.[0]?.delta;
  const calls = (delta?.tool_calls ?? []).map(
    ({ function: called }) => `${called?.name ?? ""}${called?.arguments ?? ""}`,
  );
  return { text: textOf(delta?.content), calls: calls.join("") };
}

function textOf(content: unknown): string {
  if (typeof content === "string") {
    return content;
  }
  const parts = Array.isArray(content) ? (content as { type?: string; text?: string }[]) : [];
  return parts.map(({ type, text }) => (type === "text" ? (text ?? "") : "")).join("");
}
