// What every case needs: the client, and what is read of an answer.

import { Mistral } from "@mistralai/mistralai";
import { all } from "./cases.mjs";

export const CHAT = "mistral-small-latest";

export const client = (changes = {}) =>
  new Mistral({ apiKey: process.env.KEY, serverURL: process.env.BASE_URL, ...changes });

export const usage = (answer) =>
  answer.usage
    ? {
        prompt_tokens: answer.usage.promptTokens,
        completion_tokens: answer.usage.completionTokens,
        total_tokens: answer.usage.totalTokens,
      }
    : null;

export const text = (content) =>
  typeof content === "string" ? content : (content ?? []).map((chunk) => chunk.text ?? "").join("");

export function joined(answer) {
  const choice = answer.choices[0];
  return { text: text(choice.message.content), finish: choice.finishReason, usage: usage(answer) };
}

export async function folded(stream) {
  const events = Array.isArray(stream) ? stream : await all(stream);
  const choices = events.flatMap((event) => event.data.choices.slice(0, 1));
  return {
    events: events.length,
    text: choices.map((choice) => text(choice.delta.content)).join(""),
    finish: choices.at(-1).finishReason,
    usage: usage(events.at(-1).data),
  };
}
