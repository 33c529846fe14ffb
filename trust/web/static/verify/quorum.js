// Which witnesses the reader believes, and how many of them must have seen a checkpoint (docs/protocol.md 4.9).
import { sameBytes } from "./bytes.js";
import { COSIGNATURE, COSIGNATURE_MLDSA, holds, isOf, parseKey, parseNote, timeOf } from "./note.js";
import { CannotSay, NotProven, expect, quoted } from "./report.js";

const MAX_WITNESSES = 16;
const MAX_LINES = 256;

/**
 * @typedef {import("./note.js").NoteKey} NoteKey
 * @typedef {{witnesses: Map<string, NoteKey>, groups: Map<string, {least: number, of: string[]}>, needed: string}} Quorum
 */

/**
 * The policy of a text in C2SP tlog-policy. It is the reader's own: never take it from the file that it judges.
 * @param {string | Quorum} text
 * @returns {Promise<Quorum>}
 */
export async function parseQuorum(text) {
  if (typeof text !== "string") return text;
  const lines = text.replace(/\n$/, "").split("\n");
  expect(lines.length <= MAX_LINES, `a policy has at most ${MAX_LINES} lines`);
  const quorum = { witnesses: new Map(), groups: new Map(), needed: "" };
  for (const line of lines) {
    expect(!/[\u0000-\u0008\u000a-\u001f\u007f]/.test(line), `a control character other than tab: ${quoted(line)}`);
    const words = line.split(/[ \t]+/).filter(Boolean);
    if (words.length && !words[0].startsWith("#")) await takeLine(quorum, words);
  }
  expect(quorum.needed, "the policy has no line `quorum`");
  return quorum;
}

async function takeLine(quorum, [word, ...rest]) {
  if (word === "log" && (rest.length === 1 || rest.length === 2)) await parseKey(rest[0]);
  else if (word === "witness" && (rest.length === 2 || rest.length === 3)) await takeWitness(quorum, rest[0], rest[1]);
  else if (word === "group" && rest.length > 2) takeGroup(quorum, rest[0], rest[1], rest.slice(2));
  else if (word === "quorum" && rest.length === 1 && !quorum.needed) {
    expect(rest[0] === "none" || isDefined(quorum, rest[0]), `${quoted(rest[0])} is not defined before it is used`);
    quorum.needed = rest[0];
  } else throw new NotProven(`not a line of a policy: ${quoted([word, ...rest].join(" "))}`);
}

async function takeWitness(quorum, label, vkey) {
  checkNew(quorum, label);
  const key = await parseKey(vkey);
  expect([COSIGNATURE, COSIGNATURE_MLDSA].includes(key.type), `witness ${quoted(label)}: its key has type 0x04 or 0x06`);
  for (const known of quorum.witnesses.values())
    expect(!sameBytes(known.bytes, key.bytes), `witness ${quoted(label)}: its key is that of another witness`);
  expect(quorum.witnesses.size < MAX_WITNESSES, `there are more than ${MAX_WITNESSES} witnesses`);
  quorum.witnesses.set(label, key);
}

function takeGroup(quorum, label, threshold, of) {
  checkNew(quorum, label);
  const taken = new Set([...quorum.groups.values()].flatMap((group) => group.of));
  for (const member of of) {
    expect(isDefined(quorum, member), `${quoted(member)} is not defined before it is used`);
    expect(!taken.has(member), `group ${quoted(label)}: ${quoted(member)} may be a member once`);
    taken.add(member);
  }
  const count = { any: "1", all: String(of.length) }[threshold] ?? threshold;
  const least = /^[0-9]{1,3}$/.test(count) ? Number(count) : 0;
  expect(1 <= least && least <= of.length, `group ${quoted(label)}: ${quoted(threshold)} of ${of.length} is no threshold`);
  quorum.groups.set(label, { least, of });
}

const isDefined = (quorum, label) => quorum.witnesses.has(label) || quorum.groups.has(label);
const checkNew = (quorum, label) =>
  expect(label !== "none" && !isDefined(quorum, label), `the name ${quoted(label)} is defined twice`);

/** Whether these witnesses, by their labels, are enough. */
export function isMet(quorum, labels) {
  const good = new Set([...labels, "none"]);
  for (const [label, { least, of }] of quorum.groups)
    if (of.filter((member) => good.has(member)).length >= least) good.add(label);
  return good.has(quorum.needed);
}

/**
 * Who of the reader's witnesses cosigned a note, and when (seconds). `NotProven` where they are too few, `CannotSay` where
 * only signatures that are not checked here would make them enough. A line that does not hold counts as missing.
 * @returns {Promise<{witness: string, time_s: number}[]>}
 */
export async function cosigners(note, quorum) {
  const { text, lines } = parseNote(note);
  const good = [];
  const unchecked = [];
  for (const [witness, key] of quorum.witnesses) {
    const own = lines.filter((line) => isOf(line, key));
    if (key.type === COSIGNATURE_MLDSA && own.length) unchecked.push(witness);
    else for (const line of own)
      if (await holds(key, text, line)) {
        good.push({ witness, time_s: timeOf(line) });
        break;
      }
  }
  const labels = good.map((each) => each.witness);
  if (isMet(quorum, labels)) return good;
  if (isMet(quorum, [...labels, ...unchecked])) throw new CannotSay(`ML-DSA-44 is not checked here: ${unchecked.join(", ")}`);
  const told = labels.join(", ") || "nobody";
  throw new NotProven(`the quorum ${quorum.needed} is missing: ${good.length} of ${quorum.witnesses.size} witnesses, ${told}`);
}
