// Signed notes, verifier keys, checkpoints and cosignatures (docs/protocol.md 4.2, 4.9; C2SP signed-note).
import { fromBase64, integerOf, joined, sameBytes, sha256, textOf, toHex, utf8 } from "./bytes.js";
import { isValidKey, verifySignature } from "./ed25519.js";
import { MAX_SIZE, emptyRoot } from "./merkle.js";
import { CannotSay, expect, quoted } from "./report.js";

export const ED25519 = 0x01;
export const COSIGNATURE = 0x04;
export const COSIGNATURE_MLDSA = 0x06;
const MLDSA_KEY_BYTES = 1312;
const MAX_NOTE_BYTES = 2 ** 20;
const MAX_SIGNATURES = 100;
const DASH = "\u2014 ";
const CONTROL = /[\u0000-\u0009\u000b-\u001f]|\p{Surrogate}/u;
const DECIMAL = /^(?:0|[1-9][0-9]{0,18})$/;

/** @typedef {{name: string, id: string, type: number, bytes: Uint8Array, vkey: string}} NoteKey */
/** @typedef {{name: string, id: string, blob: Uint8Array}} Line */
/** @typedef {{origin: string, size: bigint, root: Uint8Array, extensions: string[]}} Checkpoint */

/**
 * The key of a vkey, `name+id+base64(type || key)`; its id must be the one that name and key give.
 * @param {string} text
 * @returns {Promise<NoteKey>}
 */
export async function parseKey(text) {
  const vkey = String(text).trim();
  const [name, id, ...rest] = vkey.split("+");
  expect(isKeyName(name) && rest.length > 0, `not a verifier key: ${quoted(vkey)}`);
  const typed = fromBase64(rest.join("+"));
  const [type, bytes] = [typed[0], typed.subarray(1)];
  if (type === COSIGNATURE_MLDSA) expect(bytes.length === MLDSA_KEY_BYTES, `the key of ${name} is not an ML-DSA-44 public key`);
  else {
    expect(type === ED25519 || type === COSIGNATURE, `keys of type ${type} are not supported`);
    expect(isValidKey(bytes), `the key of ${name} is not an Ed25519 public key`);
  }
  const right = toHex((await sha256(name, "\n", typed)).subarray(0, 4));
  expect(id === right, `the key of ${name} has the id ${right}, not ${quoted(id)}`);
  return { name, id, type, bytes, vkey };
}

/** Text and signature lines of a note, nothing verified. */
export function parseNote(data) {
  const bytes = utf8(data);
  expect(bytes.length <= MAX_NOTE_BYTES, `the note is longer than ${MAX_NOTE_BYTES} bytes`);
  const whole = textOf(bytes);
  const cut = whole.lastIndexOf("\n\n");
  expect(cut >= 0 && whole.endsWith("\n") && whole.length > cut + 2, "not a note: text, an empty line, signatures");
  const text = whole.slice(0, cut + 1);
  expect(!CONTROL.test(text), "the note has a control character other than newline");
  const lines = whole.slice(cut + 2, -1).split("\n");
  expect(lines.length <= MAX_SIGNATURES, `the note has more than ${MAX_SIGNATURES} signatures`);
  return { text, lines: lines.map(parseLine) };
}

function parseLine(line) {
  const at = line.indexOf(" ", DASH.length);
  const name = line.slice(DASH.length, at);
  expect(line.startsWith(DASH) && at > 0 && isKeyName(name), `not a signature line: ${quoted(line)}`);
  const raw = fromBase64(line.slice(at + 1));
  expect(raw.length > 4, `the signature of ${name} is empty`);
  return { name, id: toHex(raw.subarray(0, 4)), blob: raw.subarray(4) };
}

/**
 * Whether a key signed this text by this line; a witness's line has its time too.
 * @param {NoteKey} key
 * @param {string} text
 * @param {Line} line
 */
export async function holds(key, text, line) {
  if (key.type === ED25519) return verifySignature(key.bytes, utf8(text), line.blob);
  if (key.type === COSIGNATURE_MLDSA) throw new CannotSay(`${key.name} signs with ML-DSA-44, which is not checked here`);
  const time = integerOf(line.blob.subarray(0, 8));
  if (line.blob.length !== 72 || time > MAX_SIZE) return false;
  return verifySignature(key.bytes, joined(`cosignature/v1\ntime ${time}\n`, text), line.blob.subarray(8));
}

/** When a witness's line says that it was signed, in seconds. */
export const timeOf = (line) => Number(integerOf(line.blob.subarray(0, 8)));

/** Whether a line names a key; whether it is the key's, `holds` says. */
export const isOf = (line, key) => line.name === key.name && line.id === key.id;

/**
 * The text of a note that a key signed: the first line that names the key decides.
 * @param {Uint8Array | string} data
 * @param {NoteKey} key
 */
export async function openNote(data, key) {
  const { text, lines } = parseNote(data);
  const line = lines.find((each) => isOf(each, key));
  expect(line, `the key ${key.name}+${key.id} did not sign the note`);
  expect(await holds(key, text, line), `the signature of ${key.name} does not hold`);
  return text;
}

/**
 * The checkpoint in a note's text.
 * @returns {Promise<Checkpoint>}
 */
export async function parseCheckpoint(text) {
  const lines = text.split("\n");
  expect(lines.length >= 4 && lines.pop() === "", "a checkpoint has at least three lines, each with a newline");
  const [origin, size, root, ...extensions] = lines;
  expect(origin && extensions.every(Boolean), "origin and extensions are non-empty lines");
  const checkpoint = { origin, size: decimal(size, "a log's size"), root: fromBase64(root, 32), extensions };
  const right = checkpoint.size > 0n || sameBytes(checkpoint.root, await emptyRoot());
  expect(right, "not the root of a tree of 0 leaves");
  return checkpoint;
}

/** An integer below 2^63 in decimal, without leading zeros. */
export function decimal(text, what) {
  expect(DECIMAL.test(text) && BigInt(text) <= MAX_SIZE, `not ${what}: ${quoted(text)}`);
  return BigInt(text);
}

const isKeyName = (name) => name !== "" && !/[\s\u0085+]/.test(name) && !CONTROL.test(name);

