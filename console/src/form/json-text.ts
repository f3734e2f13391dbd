/** Where a JSON text breaks. Browsers word this differently and some tell no place, so the text is walked here. */
export interface Flaw {
  line: number;
  column: number;
  message: string;
}

const NUMBER = /-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const WORD = /true|false|null/y;
const SPACE = /[ \t\r\n]*/y;

class Broken extends Error {
  constructor(
    readonly at: number,
    message: string,
  ) {
    super(message);
  }
}

/** The first flaw of a text, or null where it is JSON. Lines and columns count from one. */
export function flawOf(text: string): Flaw | null {
  try {
    walk(text);
    return null;
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    const before = text.slice(0, error.at);
    const line = before.split("\n").length;
    return { line, column: error.at - before.lastIndexOf("\n"), message: error.message };
  }
}

function walk(text: string): void {
  let at = 0;
  const take = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found) at += found[0].length;
    return found !== null;
  };
  const space = () => take(SPACE);
  const fail = (expected: string): never => {
    const found = at < text.length ? `found ${JSON.stringify(text[at])}` : "the text ends";
    throw new Broken(at, `expected ${expected}, but ${found}`);
  };
  const sign = (char: string): boolean => {
    if (text[at] !== char) return false;
    at += 1;
    return true;
  };

  function string(): string {
    const from = at;
    if (!take(STRING)) {
      // A quote that opens without a proper end is told where it opens; anything else is no string at all.
      if (text[at] === '"')
        throw new Broken(at, "this string has no proper end: a line break, a bad escape or a missing quote");
      fail("a name in double quotes");
    }
    return text.slice(from, at);
  }

  function members(): void {
    space();
    if (sign("}")) return;
    const names = new Set<string>();
    for (;;) {
      space();
      const from = at;
      const name = string();
      if (names.has(name)) throw new Broken(from, `${name} stands here twice`);
      names.add(name);
      space();
      if (!sign(":")) fail("a colon");
      value();
      if (sign("}")) return;
      if (!sign(",")) fail("a comma or }");
    }
  }

  function items(): void {
    space();
    if (sign("]")) return;
    for (;;) {
      value();
      if (sign("]")) return;
      if (!sign(",")) fail("a comma or ]");
    }
  }

  function value(): void {
    space();
    if (sign("{")) members();
    else if (sign("[")) items();
    else if (text[at] === '"') string();
    else if (!take(WORD) && !take(NUMBER)) fail("a value");
    space();
  }

  value();
  if (at < text.length) fail("nothing more");
}

export const pretty = (value: unknown): string => JSON.stringify(value, null, 2);
