// What goes wrong: every error class, retries, deadlines, and streams that break.

import { HTTPClient } from "@mistralai/mistralai";
import { QUESTION, WEATHER, all } from "./cases.mjs";
import { CHAT, client, folded, joined } from "./mistral_common.mjs";

const RETRIES = {
  strategy: "backoff",
  backoff: { initialInterval: 10, maxInterval: 2000, exponent: 1.1, maxElapsedTime: 5000 },
  retryConnectionErrors: true,
};
const ASKED = { model: CHAT, messages: QUESTION };

// An HTTP client that asks the simulator for trouble on its first requests, and counts all.
function trouble(faults, times = 1000) {
  const seen = { requests: 0, answers: [] };
  seen.httpClient = new HTTPClient();
  seen.httpClient.addHook("beforeRequest", (request) => {
    seen.requests += 1;
    const changed = new Request(request);
    if (seen.requests <= times) changed.headers.set("x-simulate", faults);
    return changed;
  });
  seen.httpClient.addHook("response", (response) => {
    seen.answers.push([response.status, response.headers.get("retry-after")]);
  });
  return seen;
}

const asking = (faults, options = {}) =>
  client({ httpClient: trouble(faults).httpClient }).chat.complete(ASKED, options);
const streamed = async (faults) => folded(await client({ httpClient: trouble(faults).httpClient }).chat.stream(ASKED));
const stranger = () => client({ apiKey: process.env.BAD_KEY });

async function retried(faults, times, client_options = {}, options = { retries: RETRIES }) {
  const seen = trouble(faults, times);
  const answer = await client({ httpClient: seen.httpClient, ...client_options }).chat.complete(ASKED, options);
  return { answers: seen.answers, ...joined(answer) };
}

async function counted(faults, options) {
  const seen = trouble(faults, 1);
  try {
    await client({ httpClient: seen.httpClient }).chat.complete(ASKED, options);
  } catch (error) {
    return { requests: seen.requests, error: error.constructor.name };
  }
  return { requests: seen.requests, error: null };
}

export const failures = {
  error_400: () => client().chat.complete({ ...ASKED, model: "mistral-no-such-model" }),
  error_400_order: () =>
    client().chat.complete({ ...ASKED, messages: [...QUESTION, { role: "assistant", content: "Yes?" }] }),
  error_401: () => stranger().chat.complete(ASKED),
  error_401_stream: async () => folded(await stranger().chat.stream(ASKED)),
  error_403: () => asking("status=403"),
  error_403_guardrail: () =>
    client().chat.complete({
      model: CHAT,
      messages: [{ role: "user", content: "violence" }],
      guardrails: [{ blockOnError: true, moderationLlmV2: { action: "block" } }],
    }),
  error_404: () => client().files.retrieve({ fileId: "00000000-0000-0000-0000-00000000dead" }),
  error_404_path: () => client({ serverURL: `${process.env.BASE_URL}/v1` }).models.list(),
  error_422: () => client().chat.complete({ ...ASKED, temperature: 9 }),
  error_422_stream: async () => folded(await client().chat.stream({ ...ASKED, temperature: 9 })),
  error_429: () => asking("status=429; retry-after=7"),
  error_429_capacity: () => asking("status=429; code=3505"),
  error_500: () => asking("status=500"),
  error_503_stream: () => streamed("status=503"),
  error_closed: () => asking("close"),
  error_refused: () => client({ serverURL: "http://127.0.0.1:9" }).chat.complete(ASKED),
  error_html: () => asking("content-type=text/html"),
  error_malformed: () => asking("malformed-json"),
  error_timeout: () => asking("hang", { timeoutMs: 400 }),
  unretried: () => counted("status=503", {}),
  unretried_400: () => counted("status=400", { retries: RETRIES }),
  retried_429: () => retried("status=429; retry-after=1", 1, { retryConfig: RETRIES }, {}),
  retried_500: () => retried("status=500", 2),
  retried_502: () => retried("status=502", 2),
  retried_503: () => retried("status=503", 2),
  retried_stream: async () => {
    const seen = trouble("status=504", 2);
    const events = await client({ httpClient: seen.httpClient }).chat.stream(ASKED, { retries: RETRIES });
    return { answers: seen.answers, ...(await folded(events)) };
  },
  stream_cut_in_an_event: () => streamed("cut=mid-event"),
  stream_cut_between_events: () => streamed("cut=between-events"),
  stream_reset: () => streamed("reset-mid"),
  stream_malformed_chunk: () => streamed("malformed-chunk"),
  stream_error_event: () => streamed("error-event"),
  stream_without_end: () => streamed("no-done"),
  stream_with_comments: () => streamed("comments; crlf"),
  stream_of_a_deprecated_model: () => streamed("deprecation"),
  stream_with_null_ids: async () => {
    const request = { ...ASKED, tools: [WEATHER], toolChoice: "any" };
    const seen = await all(await client({ httpClient: trouble("tool-calls=null-ids").httpClient }).chat.stream(request));
    const calls = seen.flatMap((event) => event.data.choices[0].delta.toolCalls ?? []);
    return { name: calls.map((call) => call.function.name).join("") };
  },
};
