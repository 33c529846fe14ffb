// Bytes and their texts, each with one spelling (docs/protocol.md, conventions), and SHA-256.
import { CannotSay, NotProven, expect } from "./report.js";

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const CHUNK = 0x2000;

/** WebCrypto; `CannotSay` where a browser withholds it: it gives it to https, localhost and files only. */
export function subtle() {
  const found = globalThis.crypto?.subtle;
  if (!found) throw new CannotSay("this page has no WebCrypto: open it by https, on localhost, or from a file");
  return found;
}

/** The UTF-8 bytes of a text; bytes stay what they are. */
export const utf8 = (text) => (typeof text === "string" ? new TextEncoder().encode(text) : text);

/** The text of UTF-8 bytes, a byte order mark kept. */
export function textOf(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new NotProven("not UTF-8");
  }
}

/** Byte strings and texts, joined. */
export function joined(...parts) {
  const arrays = parts.map(utf8);
  const all = new Uint8Array(arrays.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of arrays) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

export const sameBytes = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at]);

export const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** The bytes of lower-case hexadecimal digits, exactly `length` where given. */
export function fromHex(text, length) {
  expect(typeof text === "string" && /^(?:[0-9a-f]{2})*$/.test(text), "not lower-case hexadecimal");
  expect(length === undefined || text.length === 2 * length, `not ${length} bytes in hexadecimal`);
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** Standard base64 with padding. */
export function toBase64(bytes) {
  let binary = "";
  for (let at = 0; at < bytes.length; at += CHUNK) binary += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  return btoa(binary);
}

/** The bytes of canonical base64, exactly `length` where given: no white space, unused bits zero. */
export function fromBase64(text, length) {
  expect(typeof text === "string" && text.length % 4 === 0 && BASE64.test(text), "not base64");
  const last = text.slice(-4);
  expect(btoa(atob(last)) === last, "not canonical base64");
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  expect(length === undefined || bytes.length === length, `${bytes.length} bytes in base64, expected ${length}`);
  return bytes;
}

/** Base58btc of bytes that do not begin with zero. */
export function toBase58(bytes) {
  let number = BigInt("0x" + toHex(bytes));
  let text = "";
  for (; number > 0n; number /= 58n) text = BASE58[Number(number % 58n)] + text;
  return text;
}

/** The bytes of base58btc, `length` of them. */
export function fromBase58(text, length) {
  let number = 0n;
  for (const digit of text) {
    const value = BASE58.indexOf(digit);
    expect(value >= 0, "not base58");
    number = number * 58n + BigInt(value);
  }
  const hex = number.toString(16).padStart(2 * length, "0");
  expect(hex.length === 2 * length, "not base58 of that length");
  return fromHex(hex);
}

/** An integer as bytes, big-endian. */
export const bigEndian = (number, length) => fromHex(BigInt(number).toString(16).padStart(2 * length, "0"), length);

/** The integer of big-endian bytes, as a BigInt. */
export const integerOf = (bytes) => (bytes.length ? BigInt("0x" + toHex(bytes)) : 0n);

/** The 32 bytes of SHA-256 over the joined parts. */
export async function sha256(...parts) {
  return new Uint8Array(await subtle().digest("SHA-256", joined(...parts)));
}
