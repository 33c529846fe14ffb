// Receipts, batches of them, refusals and proven refusals (docs/protocol.md 4.4, 4.5, 4.7).
import { fromBase64, sameBytes, toHex, utf8 } from "./bytes.js";
import { RECEIPT, takeCheckpoint, takeReceipt, takeStatement } from "./entry.js";
import { is, members, parseStrict } from "./json.js";
import { keyAt, logKey } from "./logkey.js";
import { decimal, openNote, parseNote } from "./note.js";
import { parseQuorum } from "./quorum.js";
import { NotProven, expect, report } from "./report.js";
import { openStatement } from "./statement.js";

const MAX_RECEIPT_BYTES = 512 * 1024;
const MAX_BATCH_BYTES = 256 * 1024 * 1024;
const REFUSAL = "trust/refusal/v1";

/** @typedef {{quorum?: string | import("./quorum.js").Quorum, sent?: Uint8Array}} Options */

/**
 * Whether a checkpoint is the log's and, with `quorum`, seen by enough witnesses.
 * @param {Uint8Array | string} note
 * @param {string | import("./logkey.js").LogKey} key
 * @param {Options} options
 */
export const verifyCheckpoint = (note, key, options = {}) =>
  report(async (steps) => {
    const trusted = await trust(steps, key, options);
    return takeCheckpoint(steps, note, trusted.log, trusted.quorum);
  });

/**
 * Whether a receipt proves its entry; with `sent` (a payload's bytes) also that the entry is what was sent.
 * @param {Uint8Array | string} data
 * @param {string | import("./logkey.js").LogKey} key
 * @param {Options} options
 */
export const verifyReceipt = (data, key, options = {}) =>
  report(async (steps) => {
    const trusted = await trust(steps, key, options);
    return provenBy(steps, parseStrict(data, { maxBytes: MAX_RECEIPT_BYTES }), trusted, options);
  });

/** The same for a batch, whose receipts share their checkpoint. */
export const verifyBatch = (data, key, options = {}) =>
  report(async (steps) => {
    const trusted = await trust(steps, key, options);
    const batch = parseStrict(data, { maxBytes: MAX_BATCH_BYTES });
    members(batch, "the batch", { checkpoint: is.text, receipts: is.objects });
    expect(batch.receipts.length > 0, "a batch without receipts");
    const proven = [];
    for (const each of batch.receipts) {
      members(each, "the receipt", RECEIPT);
      proven.push(await provenBy(steps, { ...each, proof: `${each.proof}\n${batch.checkpoint}` }, trusted, {}));
    }
    return proven;
  });

/** What a refusal's note says that the log refused, by which code, and when. */
export const verifyRefusal = (note, key, options = {}) =>
  report(async (steps) => refusalOf(steps, note, await trust(steps, key, options)));

/** A refusal together with the statement that was refused, as a file of evidence. */
export const verifyDenial = (data, key, options = {}) =>
  report(async (steps) => {
    const trusted = await trust(steps, key, options);
    const file = parseStrict(data, { maxBytes: MAX_RECEIPT_BYTES });
    members(file, "the evidence", { evidence: (kind) => kind === "refusal", note: is.text, statement: is.object });
    const refusal = await refusalOf(steps, file.note, trusted);
    const statement = await steps.take("the refused statement is signed", () => openStatement(file.statement));
    expect(statement.id === refusal.statement, `the note refuses ${refusal.statement}, the statement is ${statement.id}`);
    return { refusal, statement };
  });

/** What the reader trusts: the log's key, and the witnesses that it asks for. */
export async function trust(steps, key, { quorum } = {}) {
  return steps.take("the keys that you trust can be read", async (told) => {
    const log = await logKey(key);
    told.detail = log.tenures.map((tenure) => tenure.key.vkey).join(", then ");
    return { log, quorum: quorum ? await parseQuorum(quorum) : null };
  });
}

async function provenBy(steps, receipt, { log, quorum }, { sent }) {
  const proven = await takeReceipt(steps, receipt, log, quorum);
  const statement = await takeStatement(steps, proven.entry, log.name);
  if (sent !== undefined)
    await steps.take("it is what was sent", () =>
      expect(statement && sameBytes(statement.bytes, utf8(sent)), `entry ${receipt.index} is another statement`),
    );
  return { ...proven, statement };
}

const refusalOf = (steps, note, { log, quorum }) =>
  steps.take("the log's key signed the refusal", async (told) => {
    if (quorum) throw new NotProven("witnesses vouch for checkpoints, which a refusal is not: ask without them");
    told.bytes = utf8(note);
    const lines = parseNote(note).text.split("\n");
    expect(lines.length === 8 && lines.pop() === "" && lines[0] === REFUSAL, `a refusal has 7 lines and starts with ${REFUSAL}`);
    const [, origin, statement, code, size, at, root] = lines;
    expect(origin === log.name, `a refusal of ${origin}, not of ${log.name}`);
    const refusal = { network: origin, statement, code, size: decimal(size, "a size"), at_ms: Number(decimal(at, "a time")) };
    await openNote(note, keyAt(log, refusal.size + 1n));
    told.detail = `${statement}: ${code}, at ${size} entries`;
    return { ...refusal, root: toHex(fromBase64(root, 32)) };
  });
