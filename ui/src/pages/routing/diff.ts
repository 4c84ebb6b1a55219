// What two documents differ in, line by line, as `gantry routing diff` has it.
export interface Line {
  sign: " " | "-" | "+";
  text: string;
}

/** Beyond this many comparisons the changed stretch is shown as a whole. */
const MOST = 4_000_000;

export function linesOf(document: unknown): string[] {
  return JSON.stringify(document, null, 2).split("\n");
}

export function diff(before: readonly string[], after: readonly string[]): Line[] {
  let start = 0;
  while (start < Math.min(before.length, after.length) && before[start] === after[start]) {
    start++;
  }
  let end = 0;
  const room = Math.min(before.length, after.length) - start;
  while (end < room && before[before.length - 1 - end] === after[after.length - 1 - end]) {
    end++;
  }
  const [gone, come] = [before.slice(start, before.length - end), after.slice(start, after.length - end)];
  const middle: Line[] =
    gone.length * come.length > MOST ? [...marked("-", gone), ...marked("+", come)] : longestCommon(gone, come);
  return [...marked(" ", before.slice(0, start)), ...middle, ...marked(" ", before.slice(before.length - end))];
}

/** The same without unchanged lines that are far from any change; `null` stands where some are left out. */
export function folded(lines: readonly Line[], around = 3): (Line | null)[] {
  const kept = lines.map((_, place) =>
    lines.slice(Math.max(0, place - around), place + around + 1).some(({ sign }) => sign !== " "),
  );
  return lines.flatMap((line, place) => (kept[place] ? [line] : kept[place - 1] ? [null] : []));
}

function marked(sign: Line["sign"], texts: readonly string[]): Line[] {
  return texts.map((text) => ({ sign, text }));
}

function longestCommon(gone: readonly string[], come: readonly string[]): Line[] {
  const width = come.length + 1;
  const lengths = new Uint32Array((gone.length + 1) * width);
  const at = (i: number, j: number) => lengths[i * width + j] ?? 0;
  for (let i = gone.length - 1; i >= 0; i--) {
    for (let j = come.length - 1; j >= 0; j--) {
      lengths[i * width + j] = gone[i] === come[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: Line[] = [];
  let [i, j] = [0, 0];
  while (i < gone.length || j < come.length) {
    if (i < gone.length && j < come.length && gone[i] === come[j]) {
      lines.push({ sign: " ", text: gone[i] ?? "" });
      i++;
      j++;
    } else if (j >= come.length || (i < gone.length && at(i + 1, j) >= at(i, j + 1))) {
      lines.push({ sign: "-", text: gone[i] ?? "" });
      i++;
    } else {
      lines.push({ sign: "+", text: come[j] ?? "" });
      j++;
    }
  }
  return lines;
}
