// Chat in all its forms, fill-in-the-middle, agents' completions and embeddings.

import { z } from "zod";
import { QUESTION, WAGON, WEATHER, all } from "./cases.mjs";
import { CHAT, client, folded, joined, text, usage } from "./mistral_common.mjs";

const Wagon = z.object({ name: z.string(), axles: z.number().int(), loads: z.array(z.string()) });
const PICTURE = "data:image/png;base64,iVBORw==";

export const chat = {
  async complete() {
    return joined(await client().chat.complete({ model: CHAT, messages: QUESTION }));
  },
  async stream() {
    return folded(await client().chat.stream({ model: CHAT, messages: QUESTION }));
  },
  async prefixed_model() {
    return joined(await client().chat.complete({ model: `mistral/${CHAT}`, messages: QUESTION }));
  },
  async all_fields() {
    const answer = await client().chat.complete({
      model: CHAT,
      messages: [{ role: "system", content: "Be brief." }, ...QUESTION],
      temperature: 0.2,
      topP: 0.9,
      maxTokens: 5,
      stop: ["never said"],
      randomSeed: 7,
      presencePenalty: 0.1,
      frequencyPenalty: 0.1,
      prediction: { type: "content", content: "You said" },
      parallelToolCalls: false,
      safePrompt: false,
      n: 2,
    });
    return { choices: answer.choices.map((choice) => choice.index), ...joined(answer) };
  },
  async explicit_nulls() {
    const nothing = { temperature: null, maxTokens: null, randomSeed: null, tools: null };
    return joined(await client().chat.complete({ model: CHAT, messages: QUESTION, ...nothing }));
  },
  async metadata() {
    const ours = { customer_identifier: "yard-7", thread_identifier: "sdk-metadata" };
    const request = { model: CHAT, messages: QUESTION, metadata: { train: "7", respan_params: ours } };
    return joined(await client().chat.complete(request));
  },
  async prefix() {
    const messages = [...QUESTION, { role: "assistant", content: "Well: ", prefix: true }];
    return joined(await client().chat.complete({ model: CHAT, messages }));
  },
  async content_parts() {
    const content = [
      { type: "text", text: "What is this?" },
      { type: "image_url", imageUrl: PICTURE },
      { type: "document_url", documentUrl: "https://example.com/a.pdf" },
    ];
    return joined(await client().chat.complete({ model: CHAT, messages: [{ role: "user", content }] }));
  },
  async spoken_question() {
    const content = [
      { type: "input_audio", inputAudio: "AAAA" },
      { type: "text", text: "What is said?" },
    ];
    const request = { model: "voxtral-small-latest", messages: [{ role: "user", content }] };
    const answer = await client().chat.complete(request);
    return { seconds: answer.usage.promptAudioSeconds, ...joined(answer) };
  },
  async tools() {
    const mistral = client();
    const question = [{ role: "user", content: "What is the weather in Paris?" }];
    const request = { model: CHAT, messages: question, tools: [WEATHER], toolChoice: "any" };
    const answer = await mistral.chat.complete(request);
    const call = answer.choices[0].message.toolCalls[0];
    const result = { role: "tool", toolCallId: call.id, name: call.function.name, content: "22 °C and sunny" };
    const history = [...question, { ...answer.choices[0].message, role: "assistant" }, result];
    const second = await mistral.chat.complete({ model: CHAT, messages: history, tools: [WEATHER] });
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
    for (const event of await all(await client().chat.stream(request))) {
      const choice = event.data.choices[0];
      finish = choice.finishReason ?? finish;
      for (const call of choice.delta.toolCalls ?? []) {
        names.push(call.function.name);
        json += call.function.arguments;
      }
    }
    return { names, arguments: JSON.parse(json), finish };
  },
  async tools_named() {
    const toolChoice = { type: "function", function: { name: "get_weather" } };
    const request = { model: CHAT, messages: QUESTION, tools: [WEATHER], toolChoice };
    const answer = await client().chat.complete(request);
    return { names: answer.choices[0].message.toolCalls.map((call) => call.function.name) };
  },
  async parse() {
    const answer = await client().chat.parse({ model: CHAT, messages: QUESTION, responseFormat: Wagon });
    return answer.choices[0].message.parsed;
  },
  async parse_stream() {
    const request = { model: CHAT, messages: QUESTION, responseFormat: Wagon };
    return JSON.parse((await folded(await client().chat.parseStream(request))).text);
  },
  async json_schema() {
    const responseFormat = { type: "json_schema", jsonSchema: { name: "wagon", schemaDefinition: WAGON } };
    const answer = await client().chat.complete({ model: CHAT, messages: QUESTION, responseFormat });
    return JSON.parse(answer.choices[0].message.content);
  },
  async json_object() {
    const request = { model: CHAT, messages: QUESTION, responseFormat: { type: "json_object" } };
    return JSON.parse((await client().chat.complete(request)).choices[0].message.content);
  },
  async reasoning() {
    const mistral = client();
    const model = "magistral-medium-latest";
    const message = (await mistral.chat.complete({ model, messages: QUESTION })).choices[0].message;
    const messages = [...QUESTION, { ...message, role: "assistant" }, { role: "user", content: "And then?" }];
    const second = await mistral.chat.complete({ model, messages });
    return {
      types: message.content.map((chunk) => chunk.type),
      text: text(message.content),
      after: text(second.choices[0].message.content),
    };
  },
  async reasoning_stream() {
    const seen = await all(await client().chat.stream({ model: "magistral-medium-latest", messages: QUESTION }));
    const contents = seen.flatMap((event) => event.data.choices.map((choice) => choice.delta.content));
    const kinds = new Set(contents.filter(Array.isArray).flatMap((content) => content.map((chunk) => chunk.type)));
    return { types: [...kinds].sort(), ...(await folded(seen)) };
  },
  async reasoning_effort() {
    const request = { model: CHAT, messages: QUESTION, reasoningEffort: "high" };
    const answer = await client().chat.complete(request);
    return { types: answer.choices[0].message.content.map((chunk) => chunk.type) };
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
  async fim() {
    const request = { model: "codestral-latest", prompt: "def add(", suffix: "return a + b" };
    return joined(await client().fim.complete(request));
  },
  async fim_stream() {
    return folded(await client().fim.stream({ model: "codestral-latest", prompt: "def add(" }));
  },
  async agent_complete() {
    return joined(await client().agents.complete({ agentId: "ag_1", messages: QUESTION }));
  },
  async agent_stream() {
    return folded(await client().agents.stream({ agentId: "ag_1", messages: QUESTION }));
  },
  async embeddings() {
    const answer = await client().embeddings.create({ model: "mistral-embed", inputs: ["one", "two"] });
    return { count: answer.data.length, dimension: answer.data[0].embedding.length, usage: usage(answer) };
  },
  async embeddings_shaped() {
    const shape = { outputDimension: 64, outputDtype: "int8", metadata: { yard: "north" } };
    const answer = await client().embeddings.create({ model: "codestral-embed", inputs: "one", ...shape });
    const numbers = answer.data[0].embedding;
    return { dimension: numbers.length, whole: numbers.every(Number.isInteger) };
  },
};
