// The proof of one entry, step by step, by the verifying modules (verify/index.js). The key is the reader's: it is kept
// in this browser with the last checkpoint that it signed, which every later one must contain.
const KEY = "trust.vkey";
const seen = (vkey) => `trust.checkpoint ${vkey}`;

async function asked(path, kind) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path} answers ${answer.status}`);
  return answer[kind]();
}

export async function* prove(index, vkey) {
  if (!vkey) throw new Error("give the log's verifier key first");
  let modules;
  try {
    modules = await import("./verify/index.js");
  } catch {
    throw new Error(`this service does not serve the verifying modules: save /v1/receipts/${index}, and run trust receipt verify`);
  }
  const receipt = await asked(`/v1/receipts/${index}`, "json");
  if (receipt.index !== index) {
    yield { name: "the receipt is of this entry", ok: false, detail: `it is of entry ${receipt.index}` };
    return;
  }
  const told = await modules.verifyReceipt(receipt, vkey);
  yield* told.steps;
  if (!told.steps.every((each) => each.ok)) return;
  localStorage.setItem(KEY, vkey);
  yield* remembered(modules, told.checkpoint, vkey);
}

async function* remembered(modules, checkpoint, vkey) {
  const before = JSON.parse(localStorage.getItem(seen(vkey)) ?? "null");
  const now = { size: checkpoint.size, root: checkpoint.root, note: checkpoint.note };
  if (!before) {
    localStorage.setItem(seen(vkey), JSON.stringify(now));
    yield { name: "this browser remembers the checkpoint", ok: true, detail: `${now.size} entries` };
    return;
  }
  const [old, fresh] = before.size <= now.size ? [before, now] : [now, before];
  if (old.size === fresh.size) {
    const same = old.root === fresh.root;
    yield { name: same ? "it is the checkpoint seen before" : "FORK: two logs of one size, both signed", ok: same, bytes: same ? "" : `${old.note}\n${fresh.note}` };
    return;
  }
  const proof = await asked(`/log/proof/consistency?from=${old.size}&to=${fresh.size}`, "json");
  const held = await modules.verifyConsistency(old, fresh, proof.path);
  yield {
    name: held ? "the log only grew between this checkpoint and the last one seen here" : "FORK OR ROLLBACK: the log does not contain the one seen here before",
    ok: held, detail: `${old.size} and ${fresh.size} entries`, bytes: held ? "" : `${old.note}\n${fresh.note}`,
  };
  if (held && now.size > before.size) localStorage.setItem(seen(vkey), JSON.stringify(now));
}
