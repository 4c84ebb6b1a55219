// Drives @mistralai/mistralai 1 and 2. Reads BASE_URL, KEY and BAD_KEY from the environment; arguments name cases.

import { canned } from "./mistral_canned.mjs";
import { chat } from "./mistral_chat.mjs";
import { failures } from "./mistral_failures.mjs";
import { media } from "./mistral_media.mjs";
import { resources } from "./mistral_resources.mjs";
import { runCases } from "./cases.mjs";

const cases = process.argv.includes("canned") ? { canned } : { ...chat, ...media, ...resources, ...failures };
await runCases(cases, (error) => ({
  status: error?.statusCode ?? null,
  body: error?.body ?? null,
  retry_after: error?.headers?.get?.("retry-after") ?? null,
  detail: error?.detail?.map?.((item) => [item.loc, item.msg, item.type]) ?? null,
}));
process.exit(0); // a fetch that was given up may keep its connection
