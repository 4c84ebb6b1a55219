// The last words of what was said, on one line, for a list.
import { parsed, type Turn, turnsIn } from "../logs/panel/conversation";

const MOST = 240;

export function lastWords(said: string | null): string {
  const turns = turnsIn(parsed(said), "user");
  const last = turns.findLast(({ role }) => role === "user") ?? turns.at(-1);
  return last ? wordsIn(last).replace(/\s+/g, " ").trim().slice(0, MOST) : "";
}

export function wordsIn(turn: Turn): string {
  return turn.parts
    .map((part) => {
      switch (part.kind) {
        case "text":
        case "refusal":
          return part.text;
        case "call":
          return `${part.name}(${JSON.stringify(part.given)})`;
        case "result":
          return wordsIn({ role: "tool", parts: part.parts });
        case "json":
          return JSON.stringify(part.value);
        default:
          return "";
      }
    })
    .join("\n");
}
