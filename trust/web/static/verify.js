// The proof of entries, or of a file, step by step, by the verifying modules, which are loaded when asked. The key and the witnesses are the
// reader's; the browser keeps them, with the last checkpoint that they signed, which every later one must contain.
const MAX_FILE_BYTES = 256 * 1024 * 1024;
const KEY = "trust.vkey", WITNESSES = "trust.witnesses";

export const trusted = () => ({ vkey: localStorage.getItem(KEY) ?? "", witnesses: localStorage.getItem(WITNESSES) ?? "" });

export async function* prove(indexes, vkey, witnesses) {
  const { Watch, fetchCheckpoint, fetchReceipt, proverOf, verifyReceipt } = await modules(vkey);
  const options = { quorum: witnesses || undefined };
  const isOne = indexes.length === 1;
  for (const index of indexes) {
    const receipt = await fetchReceipt("", index);
    const proven = await verifyReceipt(receipt, vkey, options);
    if (isOne || !proven.ok) yield* proven.steps;
    if (!proven.ok) return yield conclusion(proven);
    const told = JSON.parse(receipt).index;
    if (told !== index) return yield { step: `it is entry ${index}`, ok: false, detail: `it is entry ${told}`, verdict: "refused" };
    if (!isOne) yield { step: `entry ${index} is on the log`, ok: true, detail: `${proven.steps.length} steps`, bytes: new TextEncoder().encode(receipt) };
  }
  keep(vkey, witnesses);
  const watch = new Watch(localStorage, vkey, options);
  const seen = await watch.see(await fetchCheckpoint(""), proverOf(""));
  yield* seen.steps;
  const which = isOne ? `entry ${indexes[0]} is` : `${indexes.length} entries are`;
  yield conclusion(seen, `${which} on the log, and the log is the one seen here before`);
}

/** The proof that a file of the reader's has in itself; nobody is asked. */
export async function* judge(file, vkey, witnesses) {
  const { verifyFile } = await modules(vkey);
  if (file.size > MAX_FILE_BYTES) throw new Error(`${file.size} bytes are more than this page reads`);
  const found = await verifyFile(new Uint8Array(await file.arrayBuffer()), vkey, { quorum: witnesses || undefined });
  yield* found.steps;
  if (found.ok) keep(vkey, witnesses);
  yield conclusion(found, `${file.name}: ${found.kind}`);
}

async function modules(vkey) {
  if (!vkey) throw new Error("give the log's verifier key first");
  return import("./verify/index.js");
}

function keep(vkey, witnesses) {
  localStorage.setItem(KEY, vkey);
  localStorage.setItem(WITNESSES, witnesses);
}

function conclusion({ ok, verdict, reason, alarm }, said = "") {
  if (ok) return { step: said, ok, detail: "", verdict };
  const evidence = alarm?.evidence || alarm?.notes?.join("\n\n") || "";
  const bytes = evidence && new TextEncoder().encode(evidence);
  const words = verdict === "refused" ? "REFUSED: do not act on what this page shows" : "nothing can be said";
  return { step: words, ok, detail: reason, verdict, ...(bytes ? { bytes } : {}) };
}
