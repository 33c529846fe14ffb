// JSON as docs/protocol.md 2.2 reads it: what two readers could understand differently is refused.
import { textOf, utf8 } from "./bytes.js";
import { NotProven, expect, quoted } from "./report.js";

const MAX_DEPTH = 16;
const STRING = /"[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\u0000-\u001f]*)*"/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)/y;
const SPACE = /[ \t\n\r]*/y;
const WORD = /true|false|null/y;
const WORDS = { true: true, false: false, null: null };

/**
 * The value of a JSON text: no duplicate members, fractions, exponents, integers beyond 2^53-1, lone surrogates, byte
 * order mark, or more than 16 levels. Objects have no prototype. With `canonical` the spelling too is the one of 3.1:
 * no white space, escapes only where they must be.
 * @param {Uint8Array | string} data
 * @param {{maxBytes: number, canonical?: boolean}} limits
 */
export function parseStrict(data, { maxBytes, canonical = false }) {
  const bytes = utf8(data);
  expect(bytes.length <= maxBytes, `${bytes.length} bytes, at most ${maxBytes} are allowed`);
  const reader = new JsonReader(textOf(bytes), canonical);
  const value = reader.value(1);
  reader.end();
  return value;
}

class JsonReader {
  constructor(text, canonical) {
    this.text = text;
    this.canonical = canonical;
    this.at = 0;
  }

  value(depth) {
    this.space();
    const first = this.text[this.at];
    if (first === "{") return this.object(depth);
    if (first === "[") return this.list(depth);
    if (first === '"') return this.string();
    if (first === "-" || (first >= "0" && first <= "9")) return this.integer();
    const word = this.token(WORD);
    if (word === null) this.fail();
    return WORDS[word];
  }

  end() {
    this.space();
    if (this.at < this.text.length) this.fail("something after the value");
  }

  object(depth) {
    const found = Object.create(null);
    this.each("}", depth, () => {
      this.space();
      const name = this.string();
      if (name in found) this.fail(`the member ${quoted(name)} more than once`);
      this.space();
      if (this.text[this.at++] !== ":") this.fail();
      found[name] = this.value(depth + 1);
    });
    return found;
  }

  list(depth) {
    const found = [];
    this.each("]", depth, () => found.push(this.value(depth + 1)));
    return found;
  }

  each(close, depth, read) {
    if (depth > MAX_DEPTH) this.fail(`nested deeper than ${MAX_DEPTH}`);
    this.at++;
    this.space();
    if (this.text[this.at] === close) return void this.at++;
    for (;;) {
      read();
      this.space();
      const next = this.text[this.at++];
      if (next === close) return;
      if (next !== ",") this.fail();
    }
  }

  string() {
    const token = this.token(STRING);
    if (token === null) this.fail();
    const value = JSON.parse(token);
    if (/\p{Surrogate}/u.test(value)) this.fail("a lone surrogate");
    if (this.canonical && JSON.stringify(value) !== token) this.fail("a string that is not canonical");
    return value;
  }

  integer() {
    const token = this.token(NUMBER);
    if (token === null) this.fail();
    if (/[.eE]/.test(this.text[this.at] ?? "")) this.fail("a number with a fraction or an exponent");
    const value = Number(token) + 0;
    if (!Number.isSafeInteger(value)) this.fail("an integer outside of 2^53-1");
    if (this.canonical && String(value) !== token) this.fail("a number that is not canonical");
    return value;
  }

  space() {
    const before = this.at;
    this.token(SPACE);
    if (this.canonical && this.at > before) this.fail("white space where none is canonical");
  }

  token(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found === null) return null;
    this.at = pattern.lastIndex;
    return found[0];
  }

  fail(reason = "not JSON") {
    throw new NotProven(`${reason}, at character ${this.at}`);
  }
}

/** What a member may be. */
export const is = {
  text: (value) => typeof value === "string",
  count: (value) => Number.isSafeInteger(value) && value >= 0,
  flag: (value) => typeof value === "boolean",
  list: (value) => Array.isArray(value),
  texts: (value) => Array.isArray(value) && value.every(is.text),
  counts: (value) => Array.isArray(value) && value.every(is.count),
  object: (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  objects: (value) => Array.isArray(value) && value.every(is.object),
};

/**
 * The object itself, which has these members and, unless `open`, no others; those of `optional` may be absent.
 * @param {any} value
 * @param {string} what
 * @param {Record<string, (value: any) => boolean>} shape
 * @param {{optional?: Record<string, (value: any) => boolean>, open?: boolean}} more
 */
export function members(value, what, shape, { optional = {}, open = false } = {}) {
  expect(is.object(value), `${what}: not an object`);
  for (const [name, holds] of Object.entries(shape)) {
    expect(Object.hasOwn(value, name), `${what}: the member ${name} is missing`);
    expect(holds(value[name]), `${what}: the member ${name} is not what it must be`);
  }
  for (const name of Object.keys(value)) {
    if (Object.hasOwn(shape, name)) continue;
    if (Object.hasOwn(optional, name)) expect(optional[name](value[name]), `${what}: the member ${name} is not what it must be`);
    else expect(open, `${what}: the member ${quoted(name)} is unknown`);
  }
  return value;
}
