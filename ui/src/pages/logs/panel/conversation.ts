// What was said in a call, whichever format it was said in: turns, each with a role and parts. Pure.
//
// Law: nothing is lost. What is not known by its form is a part of the kind `json`, as it is.
import type { Shapes } from "../../../api/client";

export type Part =
  | { kind: "text"; text: string }
  | { kind: "thinking"; text: string }
  | { kind: "refusal"; text: string }
  | { kind: "image"; source: string; detail?: string }
  | { kind: "audio"; source: string; transcript?: string }
  | { kind: "document"; name: string; source: string; text?: string }
  | { kind: "call"; id?: string; name: string; given: unknown }
  | { kind: "result"; id?: string; name?: string; parts: Part[] }
  | { kind: "json"; value: unknown };

export interface Turn {
  role: string;
  name?: string;
  parts: Part[];
}

type Shape = Record<string, unknown>;
type Said = Pick<Shapes["FullLog"], "input" | "output" | "prompt_messages" | "completion_message" | "operation">;

export function turnsOf(log: Said): { asked: Turn[]; answered: Turn[] } {
  return {
    asked: turnsIn(log.prompt_messages ?? parsed(log.input), "user"),
    answered: turnsIn(log.completion_message ?? parsed(log.output), "assistant"),
  };
}

/** Text that is JSON as what it says; any other as it is. */
export function parsed(text: string | null | undefined): unknown {
  if (!text || !/^\s*[[{]/.test(text)) {
    return text ?? null;
  }
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export function turnsIn(said: unknown, role: string): Turn[] {
  if (said === null || said === undefined || said === "") {
    return [];
  }
  if (Array.isArray(said)) {
    return joined(said.flatMap((one) => turnsIn(one, role)));
  }
  if (!isShape(said)) {
    return [{ role, parts: [{ kind: "text", text: String(said) }] }];
  }
  if ("role" in said || said.type === "message") {
    return [turnOf(said, role)];
  }
  if (typeof said.type === "string" && said.type in ITEMS) {
    return [{ role: ITEMS[said.type] ?? role, parts: partsOf(said) }];
  }
  if ("input" in said || "messages" in said) {
    const { instructions, input, messages, ...rest } = said;
    return [
      ...(instructions ? [{ role: "system", parts: partsOf(instructions) }] : []),
      ...turnsIn(input ?? messages, role),
      ...(Object.keys(rest).length ? [{ role, parts: [{ kind: "json", value: rest } as Part] }] : []),
    ];
  }
  if (typeof said.prompt === "string") {
    const { prompt, suffix, ...rest } = said;
    return [
      { role, parts: partsOf(prompt) },
      ...(suffix ? [{ role, name: "suffix", parts: partsOf(suffix) }] : []),
      ...(Object.keys(rest).length ? [{ role, parts: [{ kind: "json", value: rest } as Part] }] : []),
    ];
  }
  return [{ role, parts: partsOf(said) }];
}

// Items of a response that are no messages, and who says them.
const ITEMS: Record<string, string> = {
  function_call: "assistant",
  function_call_output: "tool",
  reasoning: "assistant",
  custom_tool_call: "assistant",
  custom_tool_call_output: "tool",
};

/** Items without a role that follow one another are one turn. */
function joined(turns: Turn[]): Turn[] {
  const all: Turn[] = [];
  for (const turn of turns) {
    const before = all.at(-1);
    const plain = turn.parts.every(({ kind }) => kind === "call" || kind === "thinking");
    if (before && before.role === turn.role && plain && before.parts.every(({ kind }) => kind !== "text")) {
      before.parts.push(...turn.parts);
    } else {
      all.push({ ...turn, parts: [...turn.parts] });
    }
  }
  return all;
}

const NAMED = new Set([
  "role",
  "content",
  "name",
  "type",
  "id",
  "status",
  "tool_calls",
  "tool_call_id",
  "reasoning_content",
  "reasoning",
  "refusal",
  "parts",
  "annotations",
  "audio",
  "prefix",
]);

function turnOf(message: Shape, usual: string): Turn {
  const role = typeof message.role === "string" ? message.role : usual;
  const thought = message.reasoning_content ?? message.reasoning;
  const content = partsOf(message.content ?? message.parts);
  const { tool_call_id: id } = message;
  const rest = Object.fromEntries(
    Object.entries(message).filter(([name, value]) => !NAMED.has(name) && value !== null && !isEmpty(value)),
  );
  const parts: Part[] = [
    ...(typeof thought === "string" && thought ? [{ kind: "thinking", text: thought } as Part] : []),
    ...(role === "tool" && typeof id === "string"
      ? [{ kind: "result", id, parts: content, ...named(message.name) } as Part]
      : content),
    ...(typeof message.refusal === "string" ? [{ kind: "refusal", text: message.refusal } as Part] : []),
    ...(isShape(message.audio) ? [audioOf(message.audio)] : []),
    ...(Array.isArray(message.tool_calls) ? message.tool_calls.map(callOf) : []),
    ...(Object.keys(rest).length ? [{ kind: "json", value: rest } as Part] : []),
  ];
  return { role: role === "model" ? "assistant" : role, ...named(message.name), parts };
}

function named(name: unknown): { name?: string } {
  return typeof name === "string" && name ? { name } : {};
}

function partsOf(content: unknown): Part[] {
  if (content === null || content === undefined || content === "") {
    return [];
  }
  if (typeof content === "string") {
    return [{ kind: "text", text: content }];
  }
  if (Array.isArray(content)) {
    return content.flatMap(partsOf);
  }
  return isShape(content) ? [partOf(content)] : [{ kind: "json", value: content }];
}

function partOf(part: Shape): Part {
  switch (part.type) {
    case "text":
    case "input_text":
    case "output_text":
      return { kind: "text", text: textOf(part.text) };
    case "thinking":
    case "reasoning":
      return { kind: "thinking", text: textOf(part.thinking ?? part.summary ?? part.text ?? part.content) };
    case "redacted_thinking":
      return { kind: "thinking", text: "(kept secret by the provider)" };
    case "refusal":
      return { kind: "refusal", text: textOf(part.refusal) };
    case "image_url":
    case "input_image":
      return imageOf(part.image_url ?? part);
    case "image":
      return isShape(part.source) ? { kind: "image", source: sourceOf(part.source) } : imageOf(part.image ?? part);
    case "input_audio":
    case "audio":
      return audioOf(isShape(part.input_audio) ? part.input_audio : part);
    case "document":
    case "document_url":
    case "file":
    case "input_file":
      return documentOf(part);
    case "function":
    case "tool_use":
    case "function_call":
    case "custom_tool_call":
    case "server_tool_use":
      return callOf(part);
    case "tool_result":
    case "function_call_output":
    case "custom_tool_call_output":
      return { kind: "result", ...idOf(part.tool_use_id ?? part.call_id), parts: partsOf(part.content ?? part.output) };
  }
  return geminiPartOf(part);
}

function geminiPartOf(part: Shape): Part {
  if (typeof part.text === "string" && Object.keys(part).length <= 2) {
    return part.thought ? { kind: "thinking", text: part.text } : { kind: "text", text: part.text };
  }
  const inline = part.inlineData ?? part.inline_data;
  if (isShape(inline)) {
    const source = sourceOf({ media_type: inline.mimeType ?? inline.mime_type, data: inline.data });
    return source.startsWith("data:image/") ? { kind: "image", source } : { kind: "document", name: "File", source };
  }
  const call = part.functionCall ?? part.function_call;
  if (isShape(call)) {
    return callOf({ name: call.name, arguments: call.args });
  }
  const response = part.functionResponse ?? part.function_response;
  if (isShape(response)) {
    return { kind: "result", ...named(response.name), parts: [{ kind: "json", value: response.response }] };
  }
  return { kind: "json", value: part };
}

function callOf(call: unknown): Part {
  if (!isShape(call)) {
    return { kind: "json", value: call };
  }
  const called = isShape(call.function) ? call.function : call;
  const given = called.arguments ?? called.input ?? {};
  return {
    kind: "call",
    ...idOf(call.call_id ?? call.id),
    name: textOf(called.name) || "?",
    given: typeof given === "string" ? parsed(given) : given,
  };
}

function idOf(id: unknown): { id?: string } {
  return typeof id === "string" ? { id } : {};
}

function imageOf(given: unknown): Part {
  const image = isShape(given) ? given : { url: given };
  const source = image.url ?? image.image_url ?? image.data;
  return {
    kind: "image",
    source: textOf(source),
    ...(typeof image.detail === "string" ? { detail: image.detail } : {}),
  };
}

function audioOf(audio: Shape): Part {
  const data = textOf(audio.data ?? audio.input_audio);
  const source =
    !data || /^(data|https?):/.test(data) ? data : `data:audio/${textOf(audio.format) || "wav"};base64,${data}`;
  return { kind: "audio", source, ...(audio.transcript ? { transcript: textOf(audio.transcript) } : {}) };
}

function documentOf(part: Shape): Part {
  const file = isShape(part.file) ? part.file : isShape(part.source) ? part.source : part;
  const text = file.type === "text" ? textOf(file.data) : "";
  const source =
    textOf(file.document_url ?? file.file_data ?? file.url ?? file.file_url) || (text ? "" : sourceOf(file));
  const name = textOf(part.title ?? file.document_name ?? file.filename ?? file.file_id);
  return { kind: "document", name: name || "Document", source, ...(text ? { text } : {}) };
}

function sourceOf({ media_type, data, url }: Shape): string {
  return data ? `data:${textOf(media_type) || "application/octet-stream"};base64,${textOf(data)}` : textOf(url);
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) {
    return value.map((one) => textOf(isShape(one) ? one.text : one)).join("\n");
  }
  return value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function isShape(value: unknown): value is Shape {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
