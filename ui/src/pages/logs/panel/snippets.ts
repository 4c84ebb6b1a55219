// A log's request as code that makes it again: curl, Python, TypeScript. Pure.
//
// Law: what was forwarded is what is sent again, where it is in the format it came in; where it was translated, the call
// is written anew from what was said, in the format of chat completions.
import type { Shapes } from "../../../api/client";

type Log = Shapes["FullLog"];
type Body = Record<string, unknown>;

interface Request {
  /** Below `/api`, as it came. */
  path: string;
  body: Body;
}

export function requestOf(log: Log): Request {
  const forwarded = isBody(log.full_request) ? log.full_request : {};
  const model = log.requested_model ?? log.model;
  if (log.tier !== "translate" || !Array.isArray(log.prompt_messages)) {
    const inPath = log.dialect === "gemini";
    return { path: log.path, body: inPath || !("model" in forwarded) ? forwarded : { ...forwarded, model } };
  }
  const known = { temperature: log.temperature, max_tokens: log.max_tokens, stream: log.stream || null };
  const given = Object.fromEntries(Object.entries(known).filter(([, value]) => value !== null));
  return { path: "/chat/completions", body: { model, messages: log.prompt_messages, ...given } };
}

export function curlOf(log: Log, origin: string): string {
  const { path, body } = requestOf(log);
  return [
    `curl ${origin}/api${path}`,
    '  -H "Authorization: Bearer $GANTRY_API_KEY"',
    '  -H "Content-Type: application/json"',
    `  -d '${JSON.stringify(body, null, 2).replaceAll("'", "'\\''")}'`,
  ].join(" \\\n");
}

type Sdk = "chat" | "responses" | "embeddings" | "anthropic" | null;

function sdkFor(path: string): Sdk {
  if (path.endsWith("/chat/completions")) {
    return "chat";
  }
  if (path.endsWith("/responses")) {
    return "responses";
  }
  if (path.endsWith("/embeddings")) {
    return "embeddings";
  }
  return path.startsWith("/anthropic") && path.endsWith("/messages") ? "anthropic" : null;
}

const METHODS = {
  chat: "chat.completions.create",
  responses: "responses.create",
  embeddings: "embeddings.create",
  anthropic: "messages.create",
};

export function pythonOf(log: Log, origin: string): string {
  const { path, body } = requestOf(log);
  const sdk = sdkFor(path);
  if (sdk === null) {
    return `import os

import httpx

response = httpx.post(
    "${origin}/api${path}",
    headers={"Authorization": f"Bearer {os.environ['GANTRY_API_KEY']}"},
    json=${indented(pythonValue(body), 4)},
    timeout=120,
)
print(response.text)
`;
  }
  const [library, base] = sdk === "anthropic" ? ["anthropic", "/api/anthropic"] : ["openai", "/api"];
  const name = sdk === "anthropic" ? "Anthropic" : "OpenAI";
  const lines = Object.entries(body).map(([key, value]) => `    ${key}=${indented(pythonValue(value), 4)},`);
  return `import os

from ${library} import ${name}

client = ${name}(api_key=os.environ["GANTRY_API_KEY"], base_url="${origin}${base}")
response = client.${METHODS[sdk]}(
${lines.join("\n")}
)
${body.stream ? "for event in response:\n    print(event)" : "print(response)"}
`;
}

export function typescriptOf(log: Log, origin: string): string {
  const { path, body } = requestOf(log);
  const sdk = sdkFor(path);
  const text = JSON.stringify(body, null, 2);
  if (sdk === null) {
    return `const response = await fetch("${origin}/api${path}", {
  method: "POST",
  headers: {
    Authorization: \`Bearer \${process.env.GANTRY_API_KEY}\`,
    "Content-Type": "application/json",
  },
  body: JSON.stringify(${indented(text, 2)}),
});
console.log(await response.text());
`;
  }
  const [library, base] = sdk === "anthropic" ? ["@anthropic-ai/sdk", "/api/anthropic"] : ["openai", "/api"];
  const name = sdk === "anthropic" ? "Anthropic" : "OpenAI";
  return `import ${name} from "${library}";

const client = new ${name}({ apiKey: process.env.GANTRY_API_KEY, baseURL: "${origin}${base}" });
const response = await client.${METHODS[sdk]}(${text});
${body.stream ? "for await (const event of response) {\n  console.log(event);\n}" : "console.log(response);"}
`;
}

function pythonValue(value: unknown): string {
  if (Array.isArray(value)) {
    return value.length ? `[\n${value.map((one) => `    ${indented(pythonValue(one), 4)},`).join("\n")}\n]` : "[]";
  }
  if (isBody(value)) {
    const lines = Object.entries(value).map(
      ([key, inner]) => `    ${JSON.stringify(key)}: ${indented(pythonValue(inner), 4)},`,
    );
    return lines.length ? `{\n${lines.join("\n")}\n}` : "{}";
  }
  if (value === null) {
    return "None";
  }
  return typeof value === "boolean" ? (value ? "True" : "False") : JSON.stringify(value);
}

function indented(text: string, by: number): string {
  return text.replaceAll("\n", `\n${" ".repeat(by)}`);
}

function isBody(value: unknown): value is Body {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
