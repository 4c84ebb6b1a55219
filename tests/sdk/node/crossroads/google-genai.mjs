// Drives @google/genai, whose requests name the model in the path.

import { GoogleGenAI } from "@google/genai";
import { PICTURE, SUNNY, SYSTEM, WAGON, WEATHER, only, play, told } from "./scenes.mjs";

const DECLARED = { name: "get_weather", description: "The weather of a city", parametersJsonSchema: WEATHER };
const TOOLS = [{ functionDeclarations: [DECLARED] }];

function spoken(answer, text = answer.text, pieces) {
  const { promptTokenCount, candidatesTokenCount = 0, thoughtsTokenCount = 0 } = answer.usageMetadata;
  const tokens = [promptTokenCount, candidatesTokenCount + thoughtsTokenCount];
  return told(text, answer.candidates[0].finishReason, tokens, pieces);
}

function gemini(url, apiKey) {
  const { models } = new GoogleGenAI({ apiKey, httpOptions: { baseUrl: `${url}/api/google/gemini` } });
  const generate = (model, contents, config) => models.generateContent({ model, contents, config });
  const answered = async (model, asked, parts) => {
    const call = only(parts.filter((part) => part.functionCall)).functionCall;
    const response = { id: call.id, name: call.name, response: { result: SUNNY } };
    const contents = [
      { role: "user", parts: [{ text: asked }] },
      { role: "model", parts },
      { role: "user", parts: [{ functionResponse: response }] },
    ];
    const after = await generate(model, contents, { tools: TOOLS });
    return { name: call.name, arguments: call.args, after: after.text };
  };
  return {
    text: async (model, asked) => spoken(await generate(model, asked)),
    system: async (model, asked) => spoken(await generate(model, asked, { systemInstruction: SYSTEM })),
    stream: async (model, contents) => {
      const chunks = [];
      for await (const chunk of await models.generateContentStream({ model, contents })) chunks.push(chunk);
      return spoken(chunks.at(-1), chunks.map((chunk) => chunk.text ?? "").join(""), chunks.length);
    },
    image: async (model, asked) =>
      spoken(await generate(model, [{ inlineData: { data: PICTURE, mimeType: "image/png" } }, { text: asked }])),
    tools: async (model, asked) => {
      const answer = await generate(model, asked, { tools: TOOLS });
      return answered(model, asked, answer.candidates[0].content.parts);
    },
    tools_stream: async (model, contents) => {
      const parts = [];
      const stream = await models.generateContentStream({ model, contents, config: { tools: TOOLS } });
      for await (const chunk of stream) parts.push(...(chunk.candidates?.[0]?.content?.parts ?? []));
      return answered(model, contents, parts);
    },
    structured: async (model, asked) => {
      const config = { responseMimeType: "application/json", responseJsonSchema: WAGON };
      return JSON.parse((await generate(model, asked, config)).text);
    },
    left: async (model, contents) => {
      const controller = new AbortController();
      const config = { abortSignal: controller.signal };
      for await (const chunk of await models.generateContentStream({ model, contents, config })) {
        if (!chunk.text) continue;
        controller.abort();
        return { first: chunk.text };
      }
    },
  };
}

await play({ gemini }, (error) => error.status);
