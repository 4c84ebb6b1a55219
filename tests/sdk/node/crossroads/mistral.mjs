// Drives @mistralai/mistralai at the models of others.

import { Mistral } from "@mistralai/mistralai";
import { PICTURE, SUNNY, SYSTEM, WAGON, WEATHER, only, play, told } from "./scenes.mjs";

const DECLARED = { name: "get_weather", description: "The weather of a city", parameters: WEATHER };
const TOOLS = [{ type: "function", function: DECLARED }];

const words = (content) =>
  typeof content === "string" ? content : (content ?? []).map((part) => part.text ?? "").join("");

function spoken(answer) {
  const choice = only(answer.choices);
  const tokens = [answer.usage.promptTokens, answer.usage.completionTokens];
  return told(words(choice.message.content), choice.finishReason, tokens);
}

// A call may come in pieces, of which only the first has its name.
function whole(pieces) {
  const calls = [];
  for (const { index, id, function: piece } of pieces) {
    calls[index] ??= { id, function: { name: piece.name, arguments: "" } };
    calls[index].function.arguments += piece.arguments;
  }
  return calls;
}

function chat(url, apiKey) {
  const { chat } = new Mistral({ apiKey, serverURL: `${url}/api`, retryConfig: { strategy: "none" } });
  const ask = (model, content, more = {}) => ({ model, messages: [{ role: "user", content }], ...more });
  const complete = (...asked) => chat.complete(ask(...asked));
  const answered = async (model, asked, toolCalls) => {
    const call = only(toolCalls);
    const { name, arguments: written } = call.function;
    const messages = [
      { role: "user", content: asked },
      { role: "assistant", content: "", toolCalls },
      { role: "tool", toolCallId: call.id, name, content: SUNNY },
    ];
    const after = await complete(model, null, { messages, tools: TOOLS });
    const args = typeof written === "string" ? JSON.parse(written) : written;
    return { name, arguments: args, after: words(after.choices[0].message.content) };
  };
  return {
    text: async (model, asked) => spoken(await complete(model, asked)),
    system: async (model, asked) => {
      const messages = [
        { role: "system", content: SYSTEM },
        { role: "user", content: asked },
      ];
      return spoken(await complete(model, null, { messages }));
    },
    stream: async (model, asked) => {
      const chunks = [];
      for await (const event of await chat.stream(ask(model, asked))) chunks.push(event.data);
      const choices = chunks.flatMap((chunk) => chunk.choices);
      const { usage } = only(chunks.filter((chunk) => chunk.usage));
      const { finishReason } = only(choices.filter((choice) => choice.finishReason));
      const text = choices.map((choice) => words(choice.delta.content)).join("");
      return told(text, finishReason, [usage.promptTokens, usage.completionTokens], chunks.length);
    },
    image: async (model, asked) => {
      const picture = { type: "image_url", imageUrl: `data:image/png;base64,${PICTURE}` };
      return spoken(await complete(model, [picture, { type: "text", text: asked }]));
    },
    tools: async (model, asked) => {
      const choice = only((await complete(model, asked, { tools: TOOLS, toolChoice: "auto" })).choices);
      return answered(model, asked, choice.message.toolCalls);
    },
    tools_stream: async (model, asked) => {
      const calls = [];
      for await (const { data } of await chat.stream(ask(model, asked, { tools: TOOLS }))) {
        calls.push(...data.choices.flatMap((choice) => choice.delta.toolCalls ?? []));
      }
      return answered(model, asked, whole(calls));
    },
    structured: async (model, asked) => {
      const jsonSchema = { name: "wagon", schemaDefinition: WAGON, strict: true };
      const answer = await complete(model, asked, { responseFormat: { type: "json_schema", jsonSchema } });
      return JSON.parse(words(answer.choices[0].message.content));
    },
    left: async (model, asked) => {
      for await (const { data } of await chat.stream(ask(model, asked))) {
        const first = words(data.choices[0]?.delta.content);
        if (first) return { first }; // to leave the loop is to cancel the stream
      }
    },
  };
}

await play({ chat }, (error) => error.statusCode);
