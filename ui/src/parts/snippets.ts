// Programs and commands that make a first call, as they stand in docs/quickstart-*.md.
//
// Law: they are read out of the documentation when this is built, so page and documents cannot differ, and what the tests
// run there is what is shown here. What changes is the address, the key and, where one is chosen, the model.
import anthropic from "../../../docs/quickstart-anthropic.md?raw";
import agents from "../../../docs/quickstart-claude-code-and-codex.md?raw";
import frameworks from "../../../docs/quickstart-frameworks.md?raw";
import google from "../../../docs/quickstart-google.md?raw";
import mistral from "../../../docs/quickstart-mistral.md?raw";
import openai from "../../../docs/quickstart-openai.md?raw";
import vercel from "../../../docs/quickstart-vercel.md?raw";

export interface Part {
  language: string;
  code: string;
}

export interface Snippet {
  id: string;
  label: string;
  /** What is installed for it. */
  install: string | null;
  parts: readonly Part[];
}

const ADDRESS = "http://127.0.0.1:8790";
const KEY = "YOUR_GANTRY_API_KEY";
const MODELS = /\b(openai\/)?(mistral\/)?(mistral-large-latest|mistral-small-latest)\b/g;

export const SNIPPETS: readonly Snippet[] = [
  snippet("mistral-python", "Mistral · Python", "pip install mistralai", mistral, "Python", ["python"]),
  snippet("mistral-typescript", "Mistral · TypeScript", "npm install @mistralai/mistralai", mistral, "TypeScript", [
    "typescript",
  ]),
  snippet("openai-python", "OpenAI · Python", "pip install openai", openai, "Python", ["python"]),
  snippet("openai-typescript", "OpenAI · TypeScript", "npm install openai", openai, "TypeScript", ["typescript"]),
  snippet("curl", "curl", null, openai, "curl", ["bash"]),
  snippet("anthropic-python", "Anthropic · Python", "pip install anthropic", anthropic, "Python", ["python"]),
  snippet("google-python", "Google GenAI · Python", "pip install google-genai", google, "Python", ["python"]),
  snippet("vercel", "Vercel AI SDK", "npm install ai @ai-sdk/mistral", vercel, "Mistral", ["typescript"]),
  snippet("langchain", "LangChain", "pip install langchain-openai", frameworks, "LangChain", ["python"]),
  snippet("litellm", "LiteLLM", "pip install litellm", frameworks, "LiteLLM", ["python"]),
  snippet("claude-code", "Claude Code", null, agents, "Claude Code", ["bash"]),
  snippet("codex", "Codex", null, agents, "Codex", ["toml", "bash"]),
];

/** The parts of a snippet for this gateway: its address, a key where there is one, and a model where one is chosen. */
export function filled({ id, parts }: Snippet, key: string | null, model: string | null): readonly Part[] {
  return parts.map(({ language, code }) => {
    const addressed = code.replaceAll(ADDRESS, window.location.origin).replaceAll(KEY, key ?? KEY);
    return { language, code: model === null ? addressed : withModel(id, addressed, model) };
  });
}

function withModel(id: string, code: string, model: string): string {
  if (id === "claude-code" || id === "codex") {
    return code.replaceAll(/mistral\/[a-z0-9.-]+/g, model);
  }
  return code.replaceAll(MODELS, id === "litellm" ? `openai/${model}` : model);
}

function snippet(
  id: string,
  label: string,
  install: string | null,
  page: string,
  heading: string,
  languages: readonly string[],
): Snippet {
  return {
    id,
    label,
    install,
    parts: languages.map((language) => ({ language, code: block(page, heading, language) })),
  };
}

/** The first block of a language under a heading. */
function block(page: string, heading: string, language: string): string {
  const section = page.split(/^## /m).find((part) => part.startsWith(`${heading}\n`));
  const found = section?.match(new RegExp(`^\`\`\`${language}\n([^]*?)\n\`\`\`$`, "m"));
  if (!found?.[1]) {
    throw new Error(`The documentation has no ${language} under "${heading}".`);
  }
  return found[1];
}
