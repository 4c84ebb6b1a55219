// Asks for answers that the test has ready: CANNED in the environment names each, and by which operation it is asked.

import { QUESTION, SOUND, all, ancestry } from "./cases.mjs";
import { CHAT, client } from "./mistral_common.mjs";

const document = { type: "document_url", documentUrl: "https://example.com/a.pdf" };
const file = () => ({ fileName: "a.mp3", content: new Blob([SOUND.subarray(0, 9)]) });
const asked = { model: CHAT, messages: QUESTION };

const operations = {
  chat: (mistral, options) => mistral.chat.complete(asked, options),
  stream: async (mistral, options) => all(await mistral.chat.stream(asked, options)),
  fim: (mistral, options) => mistral.fim.complete({ model: CHAT, prompt: "a" }, options),
  agents: (mistral, options) => mistral.agents.complete({ agentId: CHAT, messages: QUESTION }, options),
  embeddings: (mistral, options) => mistral.embeddings.create({ model: CHAT, inputs: "a" }, options),
  models: (mistral, options) => mistral.models.list(...(mistral.models.list.length > 1 ? [undefined] : []), options),
  model: (mistral, options) => mistral.models.retrieve({ modelId: CHAT }, options),
  moderate: (mistral, options) => mistral.classifiers.moderate({ model: CHAT, inputs: "a" }, options),
  ocr: (mistral, options) => mistral.ocr.process({ model: CHAT, document }, options),
  transcribe: (mistral, options) => mistral.audio.transcriptions.complete({ model: CHAT, file: file() }, options),
};

// Return what each answer became: nothing, or the classes of what the client threw and what it said.
export async function canned() {
  const found = {};
  for (const [name, operation] of JSON.parse(process.env.CANNED)) {
    try {
      await operations[operation](client(), { headers: { "x-case": name } });
      found[name] = null;
    } catch (error) {
      found[name] = [ancestry(error), String(error?.message).slice(0, 300)];
    }
  }
  return found;
}
