// From a log's key that the reader trusts to the keys after it, each named by the one before (docs/protocol.md 4.8).
import { fromBase64, joined, sha256, toBase64, toHex } from "./bytes.js";
import { RECEIPT, parseEntry, takeReceipt } from "./entry.js";
import { members, parseStrict } from "./json.js";
import { logKey, withSuccessor } from "./logkey.js";
import { ED25519, parseKey } from "./note.js";
import { expect, report } from "./report.js";
import { didOf, keyOf, openStatement } from "./statement.js";

const MAX_RECEIPT = 512 * 1024;

/**
 * The log's keys from `vkey` on, by receipts of the `key.adopt` entries (texts, or parsed). `facts` of the report is a log
 * key that every other function takes in the place of a vkey.
 */
export const follow = (vkey, rotations) =>
  report(async (steps) => {
    const receipts = rotations.map((each) => (isParsed(each) ? each : parseStrict(each, { maxBytes: MAX_RECEIPT })));
    for (const each of receipts) members(each, "the receipt", RECEIPT);
    receipts.sort((one, other) => one.index - other.index);
    let log = await logKey(vkey);
    for (const receipt of receipts)
      log = await steps.take(`entry ${receipt.index} names the next key`, async (told) => {
        const key = await adoptedBy(receipt, log);
        told.detail = key.vkey;
        return withSuccessor(log, key, receipt.index);
      });
    for (const receipt of receipts) await takeReceipt(steps, receipt, log, null);
    return log;
  });

const isParsed = (each) => typeof each !== "string" && !(each instanceof Uint8Array);

async function adoptedBy(receipt, log) {
  const { command } = parseEntry(fromBase64(receipt.entry));
  expect(command.statement, `entry ${receipt.index} is no statement`);
  const { payload, signers } = await openStatement(command.statement);
  expect(payload.kind === "key.adopt" && payload.use === "log", `entry ${receipt.index} adopts no key of the log`);
  const before = log.tenures.at(-1).key;
  const signed = payload.network === log.name && signers.includes(didOf(before.bytes));
  expect(signed, `the rotation at entry ${receipt.index} is not signed by ${before.vkey}`);
  const typed = joined([ED25519], keyOf(payload.key));
  const id = toHex((await sha256(log.name, "\n", typed)).subarray(0, 4));
  return parseKey(`${log.name}+${id}+${toBase64(typed)}`);
}
