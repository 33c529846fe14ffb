// A verifier of trust's log, and a signer of statements, after docs/protocol.md. Nothing is asked of anybody unless a name
// begins with `fetch`. What is not checked stands in clients/js/README.md.
export { verifyBundle } from "./bundle.js";
export { fromBase64, fromHex, sha256, toBase64, toHex } from "./bytes.js";
export { verifyFile } from "./file.js";
export { verifyFork } from "./fork.js";
export { parseStrict } from "./json.js";
export { logKey, openCheckpoint } from "./logkey.js";
export { leafHash, nodeHash, verifyConsistency, verifyInclusion } from "./merkle.js";
export { openNote, parseKey, parseNote } from "./note.js";
export { parseQuorum } from "./quorum.js";
export { verifyBatch, verifyCheckpoint, verifyDenial, verifyReceipt, verifyRefusal } from "./receipt.js";
export { CannotSay, NotProven, report } from "./report.js";
export { follow } from "./rotations.js";
export { verifyScores } from "./scores.js";
export { didOf, keyOf, openStatement, pae, signStatement, signerOfSeed, statementId } from "./statement.js";
export { Alarm, Watch, fetchCheckpoint, fetchReceipt, proverOf } from "./watch.js";
