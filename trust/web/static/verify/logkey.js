// The key of a log, and the keys after it: for every size exactly one is right (docs/protocol.md 4.8).
import { ED25519, openNote, parseCheckpoint, parseKey, parseNote } from "./note.js";
import { expect } from "./report.js";

/** @typedef {import("./note.js").NoteKey} NoteKey */
/** @typedef {{name: string, tenures: {key: NoteKey, first: bigint}[]}} LogKey */

/**
 * The key of a log by its vkey, which the reader trusts. `follow` (rotations.js) adds those after it.
 * @param {string | LogKey} vkey
 * @returns {Promise<LogKey>}
 */
export async function logKey(vkey) {
  if (typeof vkey !== "string") return vkey;
  const key = await parseKey(vkey);
  expect(key.type === ED25519, "a log's key has type 0x01");
  return { name: key.name, tenures: [{ key, first: 0n }] };
}

/** A log's key with one more, which signs from the size after the one that ends with entry `index`. */
export const withSuccessor = (log, key, index) => ({
  name: log.name,
  tenures: [...log.tenures, { key, first: BigInt(index) + 2n }],
});

/** The key that signs the checkpoint of a size. */
export const keyAt = (log, size) => log.tenures.findLast((tenure) => tenure.first <= BigInt(size)).key;

/** The checkpoint in a note that the right key for its size signed, of this log. */
export async function openCheckpoint(note, log) {
  const checkpoint = await parseCheckpoint(parseNote(note).text);
  await openNote(note, keyAt(log, checkpoint.size));
  expect(checkpoint.origin === log.name, `a checkpoint of ${checkpoint.origin}, not of ${log.name}`);
  return checkpoint;
}

