// Runs the cases of a driver: one JSON line for each on stdout, with what it returned or what the client threw.

export function ancestry(error) {
  const names = [];
  for (let kind = error?.constructor; kind?.name; kind = Object.getPrototypeOf(kind)) names.push(kind.name);
  if (error?.name && !names.includes(error.name)) names.unshift(error.name); // a DOMException's is its kind
  return names;
}

// Arguments name the cases to run, none means all. `fields` are those that the client's errors have.
export async function runCases(cases, fields) {
  for (const [name, run] of Object.entries(cases)) {
    if (process.argv.length > 2 && !process.argv.includes(name)) continue;
    let line;
    try {
      line = { case: name, result: (await run()) ?? null };
    } catch (error) {
      line = { case: name, error: ancestry(error), message: String(error?.message).slice(0, 1000), ...fields(error) };
    }
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
}

export const QUESTION = [{ role: "user", content: "Hello, Mistral!" }];
export const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather of a city",
    parameters: {
      type: "object",
      properties: { city: { type: "string" }, days: { type: "integer", minimum: 2 } },
      required: ["city", "days"],
    },
  },
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
export const SOUND = new Uint8Array(48_000); // three seconds, as the simulator hears it

export async function all(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}
