// Entries and the proofs that they are in a log (docs/protocol.md 3.1, 4.4).
import { fromBase64, toHex, utf8 } from "./bytes.js";
import { is, members, parseStrict } from "./json.js";
import { openCheckpoint } from "./logkey.js";
import { leafHash, verifyInclusion } from "./merkle.js";
import { decimal } from "./note.js";
import { cosigners } from "./quorum.js";
import { CannotSay, expect } from "./report.js";
import { openStatement } from "./statement.js";

const FORMAT = 1;
const MAX_ENTRY_BYTES = 65_535;
const MAX_PATH = 63;
const HEADER = "c2sp.org/tlog-proof@v1";
const COMMANDS = ["genesis", "statement", "clock", "draw", "seal"];
export const RECEIPT = { index: is.count, entry: is.text, proof: is.text };

/** The entry in these bytes. With `canonical` they must be spelt as the log spells them. */
export function parseEntry(bytes, canonical = false) {
  const entry = parseStrict(bytes, { maxBytes: MAX_ENTRY_BYTES, canonical });
  if (is.object(entry) && is.count(entry.v) && entry.v > FORMAT) throw new CannotSay(`an entry of format ${entry.v}: use a newer program`);
  members(entry, "the entry", { v: (v) => v === FORMAT, at_ms: is.count, command: is.object, events: is.objects });
  const kinds = Object.keys(entry.command);
  expect(kinds.length === 1 && COMMANDS.includes(kinds[0]), "an entry has exactly one command");
  for (const event of entry.events) expect(is.text(event.kind), "an event without a kind");
  return entry;
}

/** Index, path and checkpoint of a tlog-proof, nothing verified. */
export function parseProof(text) {
  const cut = text.indexOf("\n\n");
  expect(cut > 0 && text.length > cut + 2, "not a tlog-proof: a head and a checkpoint with an empty line between them");
  const [header, ...lines] = text.slice(0, cut).split("\n");
  expect(header === HEADER, `a tlog-proof starts with ${HEADER}`);
  if (lines[0]?.startsWith("extra ")) fromBase64(lines.shift().slice("extra ".length));
  const [told, ...steps] = lines;
  expect(told?.startsWith("index ") && steps.length <= MAX_PATH, "a tlog-proof has an index and a path");
  const index = decimal(told.slice("index ".length), "an index");
  return { index, path: steps.map((step) => fromBase64(step, 32)), checkpoint: text.slice(cut + 2) };
}

/** Notes in `steps` that the log, and enough of the reader's witnesses, signed a checkpoint. */
export async function takeCheckpoint(steps, note, log, quorum) {
  const checkpoint = await steps.take("the log's key signed the checkpoint", async (told) => {
    told.bytes = utf8(note);
    const opened = await openCheckpoint(note, log);
    told.detail = `${opened.origin}: ${opened.size} entries, root ${toHex(opened.root)}`;
    return opened;
  });
  if (!quorum) return { checkpoint, witnesses: [] };
  const witnesses = await steps.take("enough witnesses cosigned it", async (told) => {
    const found = await cosigners(note, quorum);
    told.detail = found.map((each) => `${each.witness} at ${new Date(each.time_s * 1000).toISOString()}`).join(", ");
    return found;
  });
  return { checkpoint, witnesses };
}

/** Notes in `steps` that a receipt, which is parsed, proves its entry. */
export async function takeReceipt(steps, receipt, log, quorum) {
  members(receipt, "the receipt", RECEIPT);
  const data = fromBase64(receipt.entry);
  const proof = parseProof(receipt.proof);
  const { checkpoint, witnesses } = await takeCheckpoint(steps, proof.checkpoint, log, quorum);
  await steps.take("the entry is in that tree", async (told) => {
    told.bytes = utf8(receipt.proof.slice(0, receipt.proof.indexOf("\n\n") + 1));
    expect(proof.index === BigInt(receipt.index), `the proof is for entry ${proof.index}`);
    await verifyInclusion(await leafHash(data), receipt.index, checkpoint.size, proof.path, checkpoint.root);
    told.detail = `${proof.path.length} hashes lead from entry ${receipt.index} to the root`;
  });
  const entry = await steps.take("the entry can be read", (told) => {
    told.bytes = data;
    const parsed = parseEntry(data);
    told.detail = `entry ${receipt.index}: a ${Object.keys(parsed.command)[0]}, ${data.length} bytes`;
    return parsed;
  });
  return { index: receipt.index, data, entry, checkpoint, witnesses, note: proof.checkpoint };
}

/** Notes in `steps` that the statement of an entry holds; null where its command is none. */
export async function takeStatement(steps, entry, network) {
  if (!entry.command.statement) return null;
  return steps.take("its statement is signed, and of this network", async (told) => {
    const statement = await openStatement(entry.command.statement);
    told.bytes = statement.bytes;
    const { kind, network: named } = statement.payload;
    expect(named === network, `a statement of network ${named} in the log of ${network}`);
    told.detail = `${kind} by ${statement.signers.join(", ")}`;
    return statement;
  });
}

