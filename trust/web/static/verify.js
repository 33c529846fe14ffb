// The proof of one entry, step by step, by the verifying modules, which are loaded when asked. The key and the witnesses are the
// reader's; the browser keeps them, with the last checkpoint that they signed, which every later one must contain.
const KEY = "trust.vkey", WITNESSES = "trust.witnesses";

export const trusted = () => ({ vkey: localStorage.getItem(KEY) ?? "", witnesses: localStorage.getItem(WITNESSES) ?? "" });

export async function* prove(index, vkey, witnesses) {
  if (!vkey) throw new Error("give the log's verifier key first");
  const { Watch, fetchCheckpoint, fetchReceipt, proverOf, verifyReceipt } = await import("./verify/index.js");
  const options = { quorum: witnesses || undefined };
  const receipt = await fetchReceipt("", index);
  const proven = await verifyReceipt(receipt, vkey, options);
  yield* proven.steps;
  if (!proven.ok) return yield conclusion(proven);
  const told = JSON.parse(receipt).index;
  if (told !== index) return yield { step: `it is entry ${index}`, ok: false, detail: `it is entry ${told}` };
  localStorage.setItem(KEY, vkey);
  localStorage.setItem(WITNESSES, witnesses);
  const watch = new Watch(localStorage, vkey, options);
  const seen = await watch.see(await fetchCheckpoint(""), proverOf(""));
  yield* seen.steps;
  yield conclusion(seen, `entry ${index} is on the log, and the log is the one seen here before`);
}

function conclusion({ ok, verdict, reason, alarm }, said = "") {
  if (ok) return { step: said, ok, detail: "", verdict };
  const evidence = alarm?.evidence || alarm?.notes?.join("\n\n") || "";
  const bytes = evidence && new TextEncoder().encode(evidence);
  const words = verdict === "refused" ? "REFUSED: do not act on what this page shows" : "nothing can be said";
  return { step: words, ok, detail: reason, verdict, ...(bytes ? { bytes } : {}) };
}
