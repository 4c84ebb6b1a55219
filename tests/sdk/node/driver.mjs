// Drives the TypeScript client: one JSON line per scenario on stdout, in the same words as drivers/mistral_python.py.
// Reads BASE_URL, KEY and BAD_KEY from the environment.

import { Mistral } from "@mistralai/mistralai";

const CHAT = "mistral-small-latest";
const QUESTION = [{ role: "user", content: "Hello, Mistral!" }];
const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather of a city",
    parameters: {
      type: "object",
      properties: { city: { type: "string" }, days: { type: "integer", minimum: 2 } },
      required: ["city", "days"],
    },
  },
};

const client = (apiKey = process.env.KEY) => new Mistral({ apiKey, serverURL: process.env.BASE_URL });

const usage = (answer) => ({
  prompt_tokens: answer.usage.promptTokens,
  completion_tokens: answer.usage.completionTokens,
  total_tokens: answer.usage.totalTokens,
});

const text = (content) =>
  typeof content === "string" ? content : (content ?? []).map((chunk) => chunk.text ?? "").join("");

async function folded(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  const choices = events.flatMap((event) => event.data.choices.slice(0, 1));
  return {
    events: events.length,
    text: choices.map((choice) => text(choice.delta.content)).join(""),
    finish: choices.at(-1).finishReason,
    usage: usage(events.at(-1).data),
  };
}

const scenarios = {
  async complete() {
    const answer = await client().chat.complete({ model: CHAT, messages: QUESTION });
    const choice = answer.choices[0];
    return { text: choice.message.content, finish: choice.finishReason, usage: usage(answer) };
  },
  async stream() {
    return folded(await client().chat.stream({ model: CHAT, messages: QUESTION }));
  },
  async tools() {
    const request = { model: CHAT, messages: QUESTION, tools: [WEATHER], toolChoice: "any" };
    const answer = await client().chat.complete(request);
    const call = answer.choices[0].message.toolCalls[0];
    const result = { role: "tool", toolCallId: call.id, name: call.function.name, content: "22 °C and sunny" };
    const history = [...QUESTION, { ...answer.choices[0].message, role: "assistant" }, result];
    const second = await client().chat.complete({ model: CHAT, messages: history, tools: [WEATHER] });
    return {
      id: call.id,
      name: call.function.name,
      arguments: JSON.parse(call.function.arguments),
      finish: answer.choices[0].finishReason,
      after: second.choices[0].message.content,
    };
  },
  async tools_stream() {
    const request = { model: CHAT, messages: QUESTION, tools: [WEATHER], toolChoice: "any" };
    const names = [];
    let json = "";
    let finish = null;
    for await (const event of await client().chat.stream(request)) {
      const choice = event.data.choices[0];
      finish = choice.finishReason ?? finish;
      for (const call of choice.delta.toolCalls ?? []) {
        names.push(call.function.name);
        json += call.function.arguments;
      }
    }
    return { names, arguments: JSON.parse(json), finish };
  },
  async reasoning() {
    const answer = await client().chat.complete({ model: "magistral-medium-latest", messages: QUESTION });
    const content = answer.choices[0].message.content;
    return { types: content.map((chunk) => chunk.type), text: text(content) };
  },
  async reasoning_stream() {
    return folded(await client().chat.stream({ model: "magistral-medium-latest", messages: QUESTION }));
  },
  async embeddings() {
    const answer = await client().embeddings.create({ model: "mistral-embed", inputs: ["one", "two"] });
    const dimension = answer.data[0].embedding.length;
    return { count: answer.data.length, dimension, tokens: answer.usage.totalTokens };
  },
  async fim() {
    const request = { model: "codestral-latest", prompt: "def add(", suffix: "return a + b" };
    const answer = await client().fim.complete(request);
    return { text: answer.choices[0].message.content, usage: usage(answer) };
  },
  async fim_stream() {
    return folded(await client().fim.stream({ model: "codestral-latest", prompt: "def add(" }));
  },
  async models_list() {
    return (await client().models.list()).data.map((card) => card.id).sort();
  },
  async models_retrieve() {
    const card = await client().models.retrieve({ modelId: "mistral-small-latest" });
    return { id: card.id, context: card.maxContextLength, chat: card.capabilities.completionChat };
  },
  async error_401() {
    return client(process.env.BAD_KEY).chat.complete({ model: CHAT, messages: QUESTION });
  },
  async error_400() {
    return client().chat.complete({ model: "mistral-no-such-model", messages: QUESTION });
  },
  async error_422() {
    return client().chat.complete({ model: CHAT, messages: QUESTION, temperature: 9 });
  },
  async error_429() {
    return client().chat.complete({ model: `${CHAT}--sim-status-429`, messages: QUESTION });
  },
  async stream_cut() {
    return folded(await client().chat.stream({ model: `${CHAT}--sim-cut-mid-event`, messages: QUESTION }));
  },
  async stream_left_early() {
    const mistral = client();
    let first = null;
    for await (const event of await mistral.chat.stream({ model: `${CHAT}--sim-stall-20`, messages: QUESTION })) {
      first = event.data.choices[0].delta.role;
      break;
    }
    return { first, next: (await mistral.chat.complete({ model: CHAT, messages: QUESTION })).object };
  },
  async files() {
    const mistral = client();
    const content = new Blob(['{"custom_id": "1"}\n']);
    const made = await mistral.files.upload({ file: { fileName: "jobs.jsonl", content }, purpose: "batch" });
    const listed = await mistral.files.list();
    const read = await new Response(await mistral.files.download({ fileId: made.id })).text();
    const gone = await mistral.files.delete({ fileId: made.id });
    const found = listed.data.some((card) => card.id === made.id);
    return { bytes: made.sizeBytes, listed: found, content: read, deleted: gone.deleted };
  },
  async ocr() {
    const document = { type: "document_url", documentUrl: "https://example.com/a.pdf" };
    const answer = await client().ocr.process({ model: "mistral-ocr-latest", document });
    return { pages: answer.pages.length, processed: answer.usageInfo.pagesProcessed };
  },
  async moderation() {
    const request = { model: "mistral-moderation-latest", inputs: ["violence", "tea"] };
    const answer = await client().classifiers.moderate(request);
    return answer.results.map((result) => result.categories.violence_and_threats);
  },
  async transcription() {
    const file = { fileName: "a.mp3", content: new Blob([new Uint8Array(48_000)]) };
    const answer = await client().audio.transcriptions.complete({ model: "voxtral-mini-latest", file });
    return { text: answer.text, seconds: answer.usage.promptAudioSeconds };
  },
};

function ancestry(error) {
  const names = [];
  for (let kind = error?.constructor; kind?.name; kind = Object.getPrototypeOf(kind)) names.push(kind.name);
  return names;
}

for (const [scenario, run] of Object.entries(scenarios)) {
  let line;
  try {
    line = { scenario, result: await run() };
  } catch (error) {
    const message = String(error?.message).slice(0, 500);
    line = { scenario, error: ancestry(error), status: error?.statusCode ?? null, message };
  }
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
