// Plays the same scenes with every client at every provider: one JSON line for each on stdout.
//
// The twin of tests/sdk/drivers/crossroads/scenes.py, which says what a case returns. A surface is a function of the
// gateway's URL and a key; it gives an object with a function for each case, of the model and the words to ask with.

const CASES = ["text", "stream", "system", "image", "tools", "tools_stream", "structured", "embeddings", "left"];
const STATUSES = [404, 422, 429, 500];
const STALL = "--sim-stall-60";
const BROKEN = "--sim-cut-between-events";
const AT_ONCE = 8;

export const SYSTEM = "Speak like a gantry.";
export const PICTURE =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="; // 1 x 1, a PNG
export const WEATHER = {
  type: "object",
  properties: { city: { type: "string" }, days: { type: "integer", minimum: 2 } },
  required: ["city", "days"],
};
export const WAGON = {
  type: "object",
  properties: {
    name: { type: "string" },
    axles: { type: "integer" },
    loads: { type: "array", items: { type: "string" } },
  },
  required: ["name", "axles", "loads"],
  additionalProperties: false,
};
export const SUNNY = "22 degrees and sunny";

// Plays all scenes of a client, or those whose surface, case or provider the arguments name; `status` reads an error's.
export async function play(surfaces, status) {
  const wanted = process.argv.slice(2);
  const scenes = [...scenesOf(surfaces)].filter((scene) => wanted.every((name) => scene.slice(0, 3).includes(name)));
  await Promise.all(Array.from({ length: AT_ONCE }, () => playInTurn(scenes, status)));
}

async function playInTurn(scenes, status) {
  for (let scene = scenes.shift(); scene; scene = scenes.shift()) {
    process.stdout.write(`${JSON.stringify(await outcome(scene, status))}\n`);
  }
}

function* scenesOf(surfaces) {
  const { URL: url, KEY } = process.env;
  const embedders = JSON.parse(process.env.EMBEDDERS);
  for (const [name, make] of Object.entries(surfaces)) {
    const [known, stranger] = [make(url, KEY), make(url, "a-key-of-nobody")];
    for (const [provider, model] of Object.entries(JSON.parse(process.env.MODELS))) {
      const special = { left: model + STALL, embeddings: embedders[provider] };
      for (const [kind, ask, asked] of casesOf(known, stranger, { model, ...special })) {
        yield [name, kind, provider, () => ask(asked, `Hello from ${name} ${kind} ${provider}!`)];
      }
    }
  }
}

// Gives the name of each case, what asks in it, and which model: the usual one or, of a case, a special one.
function* casesOf(known, stranger, { model, ...special }) {
  for (const kind of CASES) {
    const asked = kind in special ? special[kind] : model;
    if (kind in known && asked !== undefined) yield [kind, known[kind], asked];
  }
  if (!("text" in known)) return;
  yield ["error_401", stranger.text, model];
  yield ["error_unknown", known.text, "nowhere/no-such-model"];
  for (const status of STATUSES) yield [`error_${status}`, known.text, `${model}--sim-status-${status}`];
  if (!("stream" in known)) return;
  yield ["stream_429", known.stream, `${model}--sim-status-429`];
  yield ["stream_broken", known.stream, model + BROKEN];
}

async function outcome([surface, kind, provider, ask], status) {
  const line = { surface, case: kind, provider };
  try {
    return { ...line, result: (await ask()) ?? null };
  } catch (error) {
    const message = String(error?.message).slice(0, 2000);
    return { ...line, error: ancestry(error), status: status(error) ?? null, message };
  }
}

function ancestry(error) {
  const names = [];
  for (let kind = error?.constructor; kind?.name; kind = Object.getPrototypeOf(kind)) names.push(kind.name);
  return names;
}

export const told = (text, finish, tokens, pieces) => ({ text, finish, tokens, ...(pieces === undefined ? {} : { pieces }) });

export function only(items) {
  if (items?.length !== 1) throw new RangeError(`one was expected, not ${JSON.stringify(items)}`);
  return items[0];
}
