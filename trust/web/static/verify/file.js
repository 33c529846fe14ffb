// What a file proves, whatever it is: the one door to all that is verified here.
import { textOf, utf8 } from "./bytes.js";
import { BUNDLE, verifyBundle } from "./bundle.js";
import { verifyFork } from "./fork.js";
import { verifyBatch, verifyCheckpoint, verifyDenial, verifyReceipt, verifyRefusal } from "./receipt.js";
import { CannotSay, NotProven, report } from "./report.js";
import { SCORES, verifyScores } from "./scores.js";

/**
 * The kind of a file and the report about it. Kinds: receipt, batch, refusal, checkpoint, bundle, scores, fork, denial,
 * and "" for what is none of these.
 * @param {Uint8Array | string} data
 * @param {string | import("./logkey.js").LogKey} key
 * @param {import("./receipt.js").Options} options
 */
export async function verifyFile(data, key, options = {}) {
  const { kind, verify, content } = sorted(utf8(data));
  return { kind, ...(await verify(content, key, options)) };
}

function sorted(bytes) {
  const found = peek(bytes);
  if (found === null) return noteOf(bytes);
  if (found.format === SCORES) return { kind: "scores", verify: verifyScores, content: bytes };
  if (found.format === BUNDLE) return { kind: "bundle", verify: verifyBundle, content: bytes };
  if (found.format !== undefined) return nothing(new CannotSay(`a file of the format ${JSON.stringify(found.format).slice(0, 60)}`));
  if (found.evidence === "fork") return { kind: "fork", verify: verifyFork, content: bytes };
  if (found.evidence === "refusal") return { kind: "denial", verify: verifyDenial, content: bytes };
  if (found.evidence !== undefined) return nothing(new CannotSay("evidence of this kind is not checked here: use `trust receipt verify`"));
  if (typeof found.refusal === "string") return { kind: "refusal", verify: verifyRefusal, content: found.refusal };
  if (isObject(found.receipt)) return { kind: "receipt", verify: verifyReceipt, content: JSON.stringify(found.receipt) };
  if (found.receipts !== undefined) return { kind: "batch", verify: verifyBatch, content: bytes };
  return { kind: "receipt", verify: verifyReceipt, content: bytes };
}

function noteOf(bytes) {
  let text = "";
  try {
    text = textOf(bytes);
  } catch (error) {
    return nothing(error);
  }
  if (!text.trim()) return nothing(new NotProven("the file is empty"));
  if (/^\s*[{[]/.test(text)) return nothing(new NotProven("the file is damaged, or cut off"));
  if (text.startsWith("trust/refusal/")) return { kind: "refusal", verify: verifyRefusal, content: bytes };
  return { kind: "checkpoint", verify: verifyCheckpoint, content: bytes };
}

const nothing = (error) => ({ kind: "", content: "", verify: () => report(() => Promise.reject(error)) });

const isObject = (value) => typeof value === "object" && value !== null;

/** Says what a file is, never what it proves: each kind reads its bytes again, strictly. */
function peek(bytes) {
  try {
    const value = JSON.parse(textOf(bytes));
    return isObject(value) ? value : {};
  } catch {
    return null;
  }
}
