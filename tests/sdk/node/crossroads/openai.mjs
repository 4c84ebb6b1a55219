// Drives openai for node: chat completions, responses, embeddings.

import OpenAI from "openai";
import { PICTURE, SUNNY, SYSTEM, WAGON, WEATHER, only, play, told } from "./scenes.mjs";

const DECLARED = { name: "get_weather", description: "The weather of a city", parameters: WEATHER };
const CHAT_TOOLS = [{ type: "function", function: DECLARED }];
const TOOLS = [{ type: "function", ...DECLARED, strict: false }];
const SHOWN = `data:image/png;base64,${PICTURE}`;
const SCHEMA = { name: "wagon", schema: WAGON, strict: true };

const client = (url, apiKey) => new OpenAI({ baseURL: `${url}/api`, apiKey, maxRetries: 0 });

function chat(url, key) {
  const { completions } = client(url, key).chat;
  const ask = (model, content, more = {}) => ({ model, messages: [{ role: "user", content }], ...more });
  const create = (...asked) => completions.create(ask(...asked));
  const spoken = (answer, pieces) => {
    const choice = only(answer.choices);
    const tokens = [answer.usage.prompt_tokens, answer.usage.completion_tokens];
    return told(choice.message.content, choice.finish_reason, tokens, pieces);
  };
  const answered = async (model, asked, answer) => {
    const { message } = only(answer.choices);
    const call = only(message.tool_calls);
    const result = { role: "tool", tool_call_id: call.id, content: SUNNY };
    const messages = [{ role: "user", content: asked }, message, result];
    const after = await create(model, null, { messages, tools: CHAT_TOOLS });
    const { name, arguments: written } = call.function;
    return { name, arguments: JSON.parse(written), after: after.choices[0].message.content };
  };
  return {
    text: async (model, asked) => spoken(await create(model, asked)),
    system: async (model, asked) => {
      const messages = [
        { role: "developer", content: SYSTEM },
        { role: "user", content: asked },
      ];
      return spoken(await create(model, null, { messages }));
    },
    stream: async (model, asked) => {
      const pieces = [];
      const more = { stream_options: { include_usage: true } };
      const stream = completions.stream(ask(model, asked, more)).on("content", (piece) => pieces.push(piece));
      return spoken(await stream.finalChatCompletion(), pieces.length);
    },
    image: async (model, asked) => {
      const picture = { type: "image_url", image_url: { url: SHOWN } };
      return spoken(await create(model, [picture, { type: "text", text: asked }]));
    },
    tools: async (model, asked) => answered(model, asked, await create(model, asked, { tools: CHAT_TOOLS })),
    tools_stream: async (model, asked) =>
      answered(model, asked, await completions.stream(ask(model, asked, { tools: CHAT_TOOLS })).finalChatCompletion()),
    structured: async (model, asked) => {
      const answer = await create(model, asked, { response_format: { type: "json_schema", json_schema: SCHEMA } });
      return JSON.parse(answer.choices[0].message.content);
    },
    left: async (model, asked) => {
      const stream = await create(model, asked, { stream: true });
      for await (const chunk of stream) {
        const first = chunk.choices[0]?.delta.content;
        if (!first) continue;
        stream.controller.abort();
        return { first };
      }
    },
  };
}

function responses(url, key) {
  const { responses } = client(url, key);
  const create = (model, input, more = {}) => responses.create({ model, input, ...more });
  const spoken = (answer, pieces) => {
    const tokens = [answer.usage.input_tokens, answer.usage.output_tokens];
    return told(answer.output_text, answer.status, tokens, pieces);
  };
  const answered = async (model, asked, answer) => {
    const call = only(answer.output.filter((item) => item.type === "function_call"));
    const result = { type: "function_call_output", call_id: call.call_id, output: SUNNY };
    const after = await create(model, [{ role: "user", content: asked }, ...answer.output, result], { tools: TOOLS });
    return { name: call.name, arguments: JSON.parse(call.arguments), after: after.output_text };
  };
  return {
    text: async (model, asked) => spoken(await create(model, asked)),
    system: async (model, asked) => spoken(await create(model, asked, { instructions: SYSTEM })),
    stream: async (model, input) => {
      let pieces = 0;
      const stream = responses.stream({ model, input }).on("response.output_text.delta", () => (pieces += 1));
      return spoken(await stream.finalResponse(), pieces);
    },
    image: async (model, asked) => {
      const content = [
        { type: "input_image", image_url: SHOWN },
        { type: "input_text", text: asked },
      ];
      return spoken(await create(model, [{ role: "user", content }]));
    },
    tools: async (model, asked) => answered(model, asked, await create(model, asked, { tools: TOOLS })),
    tools_stream: async (model, input) =>
      answered(model, input, await responses.stream({ model, input, tools: TOOLS }).finalResponse()),
    structured: async (model, asked) => {
      const text = { format: { type: "json_schema", ...SCHEMA } };
      return JSON.parse((await create(model, asked, { text })).output_text);
    },
    left: async (model, input) => {
      const stream = await create(model, input, { stream: true });
      for await (const event of stream) {
        if (event.type !== "response.output_text.delta") continue;
        stream.controller.abort();
        return { first: event.delta };
      }
    },
  };
}

function vectors(url, key) {
  const { embeddings } = client(url, key);
  return {
    embeddings: async (model, input) => {
      const { data, usage } = await embeddings.create({ model, input });
      return { numbers: only(data).embedding.length, tokens: [usage.prompt_tokens] };
    },
  };
}

await play({ chat, responses, vectors }, (error) => error.status);
