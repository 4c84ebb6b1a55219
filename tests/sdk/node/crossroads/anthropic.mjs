// Drives @anthropic-ai/sdk through the surfaces it can reach: its own path, and the root of the API.

import Anthropic from "@anthropic-ai/sdk";
import { PICTURE, SUNNY, SYSTEM, WAGON, WEATHER, only, play, told } from "./scenes.mjs";

const TOOLS = [{ name: "get_weather", description: "The weather of a city", input_schema: WEATHER }];

const words = (message) => message.content.map((block) => (block.type === "text" ? block.text : "")).join("");

function spoken(message, pieces) {
  const { input_tokens, cache_read_input_tokens, cache_creation_input_tokens, output_tokens } = message.usage;
  const read = input_tokens + (cache_read_input_tokens ?? 0) + (cache_creation_input_tokens ?? 0);
  return told(words(message), message.stop_reason, [read, output_tokens], pieces);
}

function surface(client) {
  const ask = (model, content, more = {}) => ({
    model,
    max_tokens: 200,
    messages: [{ role: "user", content }],
    ...more,
  });
  const create = (...asked) => client.messages.create(ask(...asked));
  const answered = async (model, asked, message) => {
    const call = only(message.content.filter((block) => block.type === "tool_use"));
    const messages = [
      { role: "user", content: asked },
      { role: "assistant", content: message.content },
      { role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: SUNNY }] },
    ];
    const after = await create(model, null, { messages, tools: TOOLS });
    return { name: call.name, arguments: call.input, after: words(after) };
  };
  return {
    text: async (model, asked) => spoken(await create(model, asked)),
    system: async (model, asked) => spoken(await create(model, asked, { system: SYSTEM })),
    stream: async (model, asked) => {
      const pieces = [];
      const stream = client.messages.stream(ask(model, asked)).on("text", (piece) => pieces.push(piece));
      const message = await stream.finalMessage();
      if (pieces.join("") !== words(message)) throw new Error(`its pieces are ${pieces}`);
      return spoken(message, pieces.length);
    },
    image: async (model, asked) => {
      const source = { type: "base64", media_type: "image/png", data: PICTURE };
      return spoken(await create(model, [{ type: "image", source }, { type: "text", text: asked }]));
    },
    tools: async (model, asked) => answered(model, asked, await create(model, asked, { tools: TOOLS })),
    tools_stream: async (model, asked) =>
      answered(model, asked, await client.messages.stream(ask(model, asked, { tools: TOOLS })).finalMessage()),
    structured: async (model, asked) => {
      const tools = [{ name: "note_wagon", description: "Note a wagon", input_schema: WAGON }];
      const message = await create(model, asked, { tools, tool_choice: { type: "tool", name: "note_wagon" } });
      return only(message.content.filter((block) => block.type === "tool_use")).input;
    },
    left: async (model, asked) => {
      const stream = await create(model, asked, { stream: true });
      for await (const event of stream) {
        if (event.type !== "content_block_delta") continue;
        stream.controller.abort();
        return { first: event.delta.text };
      }
    },
  };
}

await play(
  {
    messages: (url, apiKey) => surface(new Anthropic({ baseURL: `${url}/api/anthropic`, apiKey, maxRetries: 0 })),
    rooted: (url, authToken) =>
      surface(new Anthropic({ baseURL: `${url}/api`, authToken, apiKey: null, maxRetries: 0 })),
  },
  (error) => error.status,
);
