// Drives the AI SDK through the factories of four providers, each at the models of all: whatever its wire format is.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createMistral } from "@ai-sdk/mistral";
import { createOpenAI } from "@ai-sdk/openai";
import * as ai from "ai";
import { PICTURE, SUNNY, SYSTEM, WAGON, WEATHER, only, play, told } from "./scenes.mjs";

const { generateObject, generateText, jsonSchema, streamText, tool } = ai;
const FIVE = !ai.isStepCount; // the version, which has other names for some things
const upTo = FIVE ? ai.stepCountIs : ai.isStepCount;
const INSTRUCTIONS = FIVE ? "system" : "instructions";
const TOOLS = {
  get_weather: tool({
    description: "The weather of a city",
    inputSchema: jsonSchema(WEATHER),
    execute: async () => SUNNY,
  }),
};
const LOOP = { tools: TOOLS, stopWhen: upTo(2) };

// What was thought counts as output in all versions, but version 5 has it in the total alone.
const spokenBy = (cachedApart) => ({ text, finishReason, usage }, pieces) => {
  const read = usage.inputTokens + (cachedApart ? (usage.cachedInputTokens ?? 0) : 0);
  return told(text, finishReason, [read, usage.totalTokens - usage.inputTokens], pieces);
};

function looped(steps) {
  const call = only(steps[0].toolCalls);
  return { name: call.toolName, arguments: call.input, after: steps.at(-1).text };
}

// Reads a stream to its end. What fails in it comes as a part, and is thrown here.
async function readAll(stream) {
  let pieces = 0;
  for await (const part of stream.fullStream) {
    if (part.type === "error") throw part.error;
    if (part.type === "text-delta") pieces += 1;
  }
  return pieces;
}

function surface(factory, { cachedApart = false } = {}) {
  const spoken = spokenBy(cachedApart);
  const ask = (model, prompt, more = {}) => ({ model: factory(model), prompt, maxRetries: 0, ...more });
  return {
    text: async (model, asked) => spoken(await generateText(ask(model, asked))),
    system: async (model, asked) => spoken(await generateText(ask(model, asked, { [INSTRUCTIONS]: SYSTEM }))),
    stream: async (model, asked) => {
      const stream = streamText(ask(model, asked, { onError: () => {} }));
      const pieces = await readAll(stream);
      const [text, finishReason, usage] = await Promise.all([stream.text, stream.finishReason, stream.usage]);
      return spoken({ text, finishReason, usage }, pieces);
    },
    image: async (model, asked) => {
      const content = [
        { type: "file", data: PICTURE, mediaType: "image/png" },
        { type: "text", text: asked },
      ];
      const messages = [{ role: "user", content }];
      return spoken(await generateText({ model: factory(model), messages, maxRetries: 0 }));
    },
    tools: async (model, asked) => looped((await generateText(ask(model, asked, LOOP))).steps),
    tools_stream: async (model, asked) => {
      const stream = streamText(ask(model, asked, LOOP));
      await readAll(stream);
      return looped(await stream.steps);
    },
    structured: async (model, asked) =>
      (await generateObject(ask(model, asked, { schema: jsonSchema(WAGON), schemaName: "wagon" }))).object,
    left: async (model, asked) => {
      const controller = new AbortController();
      const stream = streamText(ask(model, asked, { abortSignal: controller.signal, onError: () => {} }));
      for await (const part of stream.fullStream) {
        if (part.type === "error") throw part.error;
        if (part.type !== "text-delta") continue;
        controller.abort();
        return { first: part.text };
      }
    },
  };
}

const options = (url, apiKey, root = "/api") => ({ baseURL: url + root, apiKey });

await play(
  {
    vercel_responses: (url, key) => surface(createOpenAI(options(url, key))),
    vercel_chat: (url, key) => surface(createOpenAI(options(url, key)).chat),
    vercel_messages: (url, key) => surface(createAnthropic(options(url, key)), { cachedApart: FIVE }),
    vercel_gemini: (url, key) => surface(createGoogleGenerativeAI(options(url, key))),
    vercel_mistral: (url, key) => surface(createMistral(options(url, key))),
    vercel_mistral_v1: (url, key) => surface(createMistral(options(url, key, "/api/v1"))),
  },
  (error) => error.statusCode,
);
