// Drives openai for node. Reads BASE_URL, KEY, BAD_KEY and the names of models from the environment; arguments name cases.

import OpenAI, { toFile } from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { QUESTION, SOUND, WAGON, WEATHER, all, runCases } from "./cases.mjs";

const MODEL = process.env.MODEL;
const ASKED = { model: MODEL, messages: QUESTION };
const Wagon = z.object({ name: z.string(), axles: z.number().int(), loads: z.array(z.string()) });

const client = (changes = {}) =>
  new OpenAI({ apiKey: process.env.KEY, baseURL: process.env.BASE_URL, maxRetries: 0, ...changes });

const usage = (answer) =>
  answer.usage
    ? {
        prompt_tokens: answer.usage.prompt_tokens,
        completion_tokens: answer.usage.completion_tokens,
        total_tokens: answer.usage.total_tokens,
      }
    : null;

const joined = (answer) => ({
  text: answer.choices[0].message.content,
  finish: answer.choices[0].finish_reason,
  usage: usage(answer),
});

const kind = (value) => (value === null ? "NoneType" : typeof value === "string" ? "str" : typeof value);

function folded(chunks) {
  const choices = chunks.flatMap((chunk) => chunk.choices.slice(0, 1));
  const counted = chunks.filter((chunk) => chunk.usage);
  return {
    chunks: chunks.length,
    text: choices.map((choice) => choice.delta.content ?? "").join(""),
    finish: choices.map((choice) => choice.finish_reason).filter(Boolean),
    usage: counted.length ? usage(counted.at(-1)) : null,
    types: [...new Set(choices.map((choice) => kind(choice.delta.content ?? null)))].sort(),
  };
}

// A client that asks the simulator for trouble on its first requests, and the statuses it will see.
function troubled(faults, { times = 1000, ...changes } = {}) {
  const statuses = [];
  const fetcher = async (url, init) => {
    const headers = new Headers(init.headers);
    if (statuses.length < times) headers.set("x-simulate", faults);
    const response = await fetch(url, { ...init, headers });
    statuses.push(response.status);
    return response;
  };
  return { openai: client({ fetch: fetcher, ...changes }), statuses };
}

const create = (openai, more = {}, options = {}) => openai.chat.completions.create({ ...ASKED, ...more }, options);
const asking = (faults, options = {}) => create(troubled(faults).openai, {}, options);
const streamed = async (faults) => folded(await all(await create(troubled(faults).openai, { stream: true })));

async function transcribe(model, more = {}) {
  const file = await toFile(SOUND, "a.mp3");
  return client().audio.transcriptions.create({ model, file, ...more });
}

const speak = (more = {}) =>
  client().audio.speech.create({
    model: process.env.SPEECH_MODEL,
    voice: process.env.VOICE,
    input: "Mind the gap",
    response_format: "wav",
    ...more,
  });

const chat = {
  complete: async () => joined(await create(client())),
  stream: async () => folded(await all(await create(client(), { stream: true }))),
  stream_usage: async () =>
    folded(await all(await create(client(), { stream: true, stream_options: { include_usage: true } }))),
  changes_named: async () => {
    const odd = { max_completion_tokens: 5, seed: 7, user: "user_123", temperature: 2, top_p: 0.9, logit_bias: { 1: 1 } };
    const { data, response } = await create(client(), odd).withResponse();
    return { changes: response.headers.get("x-gantry-changes"), ...joined(data) };
  },
  strict_refused: async () => joined(await create(client(), { logit_bias: { 1: 1 }, strict_parameters: true })),
  extra_body: async () => {
    const ours = { customer_identifier: "yard-7", thread_identifier: "sdk-extra-body", metadata: { train: "7" } };
    return joined(await create(client(), ours));
  },
  developer_role: async () => {
    const messages = [
      { role: "developer", content: "Be brief." },
      { role: "user", content: "Who is there?" },
      { role: "assistant", content: "A gantry." },
      { role: "developer", content: "Be kind." },
      ...QUESTION,
    ];
    return joined(await create(client(), { messages }));
  },
  system_last: async () =>
    joined(await create(client(), { messages: [...QUESTION, { role: "system", content: "Be kind." }] })),
  content_parts: async () => {
    const picture = { url: "data:image/png;base64,iVBORw==", detail: "low" };
    const content = [
      { type: "text", text: "What is this?" },
      { type: "image_url", image_url: picture },
    ];
    return joined(await create(client(), { messages: [{ role: "user", content }] }));
  },
  several: async () => {
    const answer = await create(client(), { n: 2, stop: ["never said"] });
    return { choices: answer.choices.map((choice) => choice.index) };
  },
  tools: async () => {
    const openai = client();
    const wanted = { tools: [WEATHER], tool_choice: "required", parallel_tool_calls: false };
    const choice = (await create(openai, wanted)).choices[0];
    const call = choice.message.tool_calls[0];
    const result = { role: "tool", tool_call_id: call.id, content: "22 °C and sunny" };
    const second = await create(openai, { messages: [...QUESTION, choice.message, result], tools: [WEATHER] });
    return {
      type: call.type,
      name: call.function.name,
      arguments: JSON.parse(call.function.arguments),
      content: choice.message.content,
      finish: choice.finish_reason,
      after: second.choices[0].message.content,
    };
  },
  tools_foreign_id: async () => {
    const called = { name: "get_weather", arguments: '{"city": "Paris", "days": 2}' };
    const call = { id: "call_0123456789abcdef", type: "function", function: called };
    const messages = [
      ...QUESTION,
      { role: "assistant", content: null, tool_calls: [call] },
      { role: "tool", tool_call_id: call.id, content: "22 °C and sunny" },
    ];
    return joined(await create(client(), { model: process.env.OLDER_MODEL, messages, tools: [WEATHER] }));
  },
  tools_stream: async () => {
    const stream = client().chat.completions.stream({ ...ASKED, tools: [WEATHER], tool_choice: "required" });
    const call = (await stream.finalChatCompletion()).choices[0].message.tool_calls[0];
    return { id: call.id, name: call.function.name, arguments: JSON.parse(call.function.arguments) };
  },
  parse: async () => {
    const wanted = { ...ASKED, response_format: zodResponseFormat(Wagon, "wagon") };
    return (await client().chat.completions.parse(wanted)).choices[0].message.parsed;
  },
  parse_stream: async () => {
    const wanted = { ...ASKED, response_format: zodResponseFormat(Wagon, "wagon") };
    return (await client().chat.completions.stream(wanted).finalChatCompletion()).choices[0].message.parsed;
  },
  json_schema: async () => {
    const wanted = { type: "json_schema", json_schema: { name: "wagon", schema: WAGON } };
    return JSON.parse((await create(client(), { response_format: wanted })).choices[0].message.content);
  },
  json_object: async () =>
    JSON.parse((await create(client(), { response_format: { type: "json_object" } })).choices[0].message.content),
  reasoning: async () => {
    const message = (await create(client(), { model: process.env.REASONING_MODEL })).choices[0].message;
    return { thought: message.reasoning_content ?? null, text: message.content };
  },
  reasoning_stream: async () => {
    const chunks = await all(await create(client(), { model: process.env.REASONING_MODEL, stream: true }));
    const thoughts = chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.delta.reasoning_content ?? ""));
    return { thought: thoughts.join(""), ...folded(chunks) };
  },
  stream_left_early: async () => {
    const openai = client();
    let first = null;
    for await (const chunk of await create(openai, { model: `${MODEL}--sim-stall-20`, stream: true })) {
      first = chunk.choices[0].delta.role;
      break;
    }
    return { first, next: (await create(openai)).object };
  },
  embeddings: async () => {
    const request = { model: process.env.EMBEDDING_MODEL, input: ["one", "two"] };
    const encoded = await client().embeddings.create(request);
    const plain = await client().embeddings.create({ ...request, encoding_format: "float" });
    const numbers = (answer) => JSON.stringify(answer.data.map((item) => item.embedding));
    return {
      count: encoded.data.length,
      dimension: encoded.data[0].embedding.length,
      number: typeof encoded.data[0].embedding[0] === "number" ? "float" : "other",
      same: numbers(encoded) === numbers(plain),
      tokens: encoded.usage.prompt_tokens,
    };
  },
  embeddings_base64: async () => {
    const request = { model: process.env.EMBEDDING_MODEL, input: "one", encoding_format: "base64" };
    const embedding = (await client().embeddings.create(request)).data[0].embedding;
    return { text: kind(embedding), starts: embedding.length > 100 };
  },
  embeddings_shaped: async () => {
    const request = { model: process.env.SHAPED_EMBEDDING_MODEL, input: "one", dimensions: 64 };
    return { dimension: (await client().embeddings.create(request)).data[0].embedding.length };
  },
  responses: async () => {
    const answer = await client().responses.create({ model: MODEL, input: "Hello, Mistral!" });
    return { text: answer.output_text, tokens: answer.usage.total_tokens };
  },
  responses_stream: async () => {
    const stream = await client().responses.create({ model: MODEL, input: "Hello, Mistral!", stream: true });
    const kinds = (await all(stream)).map((event) => event.type);
    return { first: kinds[0], last: kinds.at(-1) };
  },
  responses_kept: async () => {
    const kept = client().responses;
    const made = await kept.create({ model: MODEL, input: "Hello, Mistral!" });
    const items = (await kept.inputItems.list(made.id)).data.map((item) => item.content[0].text);
    const shown = await kept.retrieve(made.id);
    return { same: JSON.stringify(shown) === JSON.stringify(made), items };
  },
  responses_deleted: async () => {
    const kept = client().responses;
    const made = await kept.create({ model: MODEL, input: "Hello, Mistral!" });
    await kept.delete(made.id);
    return kept.retrieve(made.id);
  },
};

const media = {
  transcription: async () => {
    const answer = await transcribe(process.env.TRANSCRIPTION_MODEL, { language: "en" });
    return { text: answer.text, usage: answer.usage.type };
  },
  transcription_text: () => transcribe(process.env.TRANSCRIPTION_MODEL, { response_format: "text" }),
  transcription_srt: () => transcribe(process.env.TIMED_TRANSCRIPTION_MODEL, { response_format: "srt" }),
  transcription_vtt: () => transcribe(process.env.TIMED_TRANSCRIPTION_MODEL, { response_format: "vtt" }),
  transcription_verbose: async () => {
    const answer = await transcribe(process.env.TIMED_TRANSCRIPTION_MODEL, { response_format: "verbose_json" });
    return { text: answer.text, seconds: Number(answer.duration), segments: answer.segments.length };
  },
  transcription_words: async () => {
    const wanted = { response_format: "verbose_json", timestamp_granularities: ["word"] };
    return { words: (await transcribe(process.env.TIMED_TRANSCRIPTION_MODEL, wanted)).words.length > 2 };
  },
  transcription_stream: async () => {
    const events = await all(await transcribe(process.env.TRANSCRIPTION_MODEL, { stream: true }));
    const pieces = events.filter((event) => event.type === "transcript.text.delta");
    const last = events.at(-1);
    return { text: pieces.map((event) => event.delta).join(""), last: last.type, whole: last.text };
  },
  speech: async () => {
    const answer = await speak();
    const sound = Buffer.from(await answer.arrayBuffer());
    return { opens: sound.subarray(0, 4).toString("latin1"), type: answer.headers.get("content-type") };
  },
  speech_streamed: async () => {
    const sound = Buffer.concat(await all((await speak()).body));
    return { opens: sound.subarray(0, 4).toString("latin1"), long: sound.length > 100 };
  },
  speech_events: async () => {
    const text = await (await speak({ stream_format: "sse" })).text();
    const lines = text.split("\n").filter((line) => line.startsWith("data: "));
    return {
      delta: lines[0].includes('"speech.audio.delta"'),
      done: lines.some((line) => line.includes('"speech.audio.done"')),
    };
  },
  moderation: async () => {
    const request = { model: process.env.MODERATION_MODEL, input: ["violence", "tea"] };
    return (await client().moderations.create(request)).results.map((result) => result.flagged);
  },
  models_list: async () => (await all(await client().models.list())).map((card) => card.id).sort(),
  models_retrieve: async () => {
    const card = await client().models.retrieve(MODEL);
    return { id: card.id, object: card.object };
  },
};

async function retried(faults, times, maxRetries) {
  const { openai, statuses } = troubled(faults, { times, maxRetries });
  return { ...joined(await create(openai)), statuses };
}

const failures = {
  error_400: () => asking("status=400"),
  error_401: () => create(client({ apiKey: process.env.BAD_KEY })),
  error_403: () => asking("status=403"),
  error_404: () => create(client({ baseURL: `${process.env.BASE_URL}/nowhere` })),
  error_model: () => create(client(), { model: process.env.UNKNOWN_MODEL }),
  error_422: () => asking("status=422"),
  error_429: () => asking("status=429; retry-after=7"),
  error_500: () => asking("status=500"),
  error_503_stream: () => streamed("status=503"),
  error_timeout: () => asking("hang", { timeout: 400 }),
  error_refused: () => create(client({ baseURL: "http://127.0.0.1:9" })),
  error_closed: () => asking("close"),
  retried: () => retried("status=503", 2, 2),
  retried_429: () => retried("status=429; retry-after=1", 1, 1),
  unretried: async () => {
    const { openai, statuses } = troubled("status=503", { times: 1 });
    try {
      await create(openai);
    } catch (error) {
      return { statuses, error: error.constructor.name };
    }
    return { statuses, error: null };
  },
  stream_cut_in_an_event: () => streamed("cut=mid-event"),
  stream_cut_between_events: () => streamed("cut=between-events"),
  stream_reset: () => streamed("reset-mid"),
  stream_malformed_chunk: () => streamed("malformed-chunk"),
  stream_error_event: () => streamed("error-event"),
  stream_with_comments: () => streamed("comments; crlf"),
};

await runCases({ ...chat, ...media, ...failures }, (error) => ({
  status: error?.status ?? null,
  body: error?.error ?? null,
  type: error?.type ?? null,
  code: error?.code ?? null,
  param: error?.param ?? null,
  retry_after: error?.headers?.get?.("retry-after") ?? null,
}));
process.exit(0); // a fetch that was given up may keep its connection
