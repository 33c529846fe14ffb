// Evidence that a log was forked: two notes under its key that cannot be of one tree (docs/protocol.md 4.7).
import { fromBase64, sameBytes, toBase64, toHex } from "./bytes.js";
import { is, members, parseStrict } from "./json.js";
import { openCheckpoint } from "./logkey.js";
import { verifyConsistency } from "./merkle.js";
import { trust } from "./receipt.js";
import { expect, report } from "./report.js";

const MAX_EVIDENCE_BYTES = 4 * 1024 * 1024;

/** The text of the evidence: two notes, the smaller tree's first; for two sizes the other root, and the proof from it. */
export const forkEvidence = (held, shown, root = null, proof = []) =>
  JSON.stringify({ evidence: "fork", notes: [held, shown], root: root ? toBase64(root) : "", proof: proof.map(toBase64) }) + "\n";

/** Whether a file proves that the log of `key` signed two trees. */
export const verifyFork = (data, key) =>
  report(async (steps) => {
    const { log } = await trust(steps, key);
    const file = parseStrict(data, { maxBytes: MAX_EVIDENCE_BYTES });
    const isPair = (notes) => is.texts(notes) && notes.length === 2;
    members(file, "the evidence", { evidence: (kind) => kind === "fork", notes: isPair }, { optional: { root: is.text, proof: is.texts } });
    const [held, shown] = await steps.take("the log's key signed both checkpoints", async (told) => {
      const opened = [await openCheckpoint(file.notes[0], log), await openCheckpoint(file.notes[1], log)];
      told.detail = opened.map((each) => `${each.size}: ${toHex(each.root)}`).join(", ");
      return opened;
    });
    return steps.take("they are of two trees", async () => {
      const other = await otherRoot(file, held, shown);
      expect(!sameBytes(other, held.root), "both notes are of one tree");
      return { origin: held.origin, size: held.size, held: toHex(held.root), other: toHex(other), signed_size: shown.size };
    });
  });

async function otherRoot({ root = "", proof = [] }, held, shown) {
  if (held.size === shown.size && !root && !proof.length) return shown.root;
  expect(root, "two notes of different sizes convict only with a consistency proof");
  const other = fromBase64(root, 32);
  await verifyConsistency(held.size, other, shown.size, shown.root, proof.map((step) => fromBase64(step, 32)));
  return other;
}
