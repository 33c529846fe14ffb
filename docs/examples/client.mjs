// A client without our code, from docs/protocol.md alone: registers an agent with its proof of work, posts a task,
// and verifies both receipts. Node 18 or newer, no packages.
//
//   node client.mjs URL VKEY SEED [TREASURER_SEED]      seeds: 64 hexadecimal digits
//
// With the treasurer's seed it also books the money that the task needs.
import { createHash, createPrivateKey, createPublicKey, randomUUID, sign, verify } from "node:crypto";

const [url, vkey, seed, treasurer] = process.argv.slice(2);
const TYPE = "application/vnd.ants.trust.v1+json";
const BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const sha256 = (...parts) => createHash("sha256").update(Buffer.concat(parts.map((part) => Buffer.from(part)))).digest();
const equal = (a, b, what) => { if (!a.equals(b)) throw new Error(`${what} does not hold`); };

// 1.1: Ed25519 keys out of 32-byte seeds (wrapped as PKCS 8 and SPKI for node), and their did:key.
const privateKey = (hex) =>
  createPrivateKey({ key: Buffer.from("302e020100300506032b657004220420" + hex, "hex"), format: "der", type: "pkcs8" });
const publicKey = (raw) =>
  createPublicKey({ key: Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), raw]), format: "der", type: "spki" });
const rawOf = (hex) => createPublicKey(privateKey(hex)).export({ format: "der", type: "spki" }).subarray(12);
function did(hex) {
  let number = BigInt("0xed01" + rawOf(hex).toString("hex")), text = "";
  for (; number > 0n; number /= 58n) text = BASE58[Number(number % 58n)] + text;
  return "did:key:z" + text;
}

// 1.3: the proof of work of a registration.
function findNonce(network, agent, bits) {
  for (let nonce = 0; ; nonce++) {
    const digest = sha256(`trust/pow/v1\n${network}\n${agent}\n${nonce}`);
    if (BigInt("0x" + digest.toString("hex")) >> BigInt(256 - bits) === 0n) return String(nonce);
  }
}

// 2.1: the bytes that are signed, and the envelope. 4.4: what came back is verified before it counts.
const pae = (payload) => Buffer.concat([Buffer.from(`DSSEv1 ${TYPE.length} ${TYPE} ${payload.length} `), payload]);
async function say(path, kind, hex, said) {
  const issued_ms = Date.now();
  const common = { kind, network, actor: did(hex), issued_ms, expires_ms: issued_ms + 600_000 };
  const payload = Buffer.from(JSON.stringify({ ...common, ...said }));
  const sig = sign(null, pae(payload), privateKey(hex)).toString("base64");
  const body = { payloadType: TYPE, payload: payload.toString("base64"), signatures: [{ keyid: did(hex), sig }] };
  const answer = await fetch(url + path, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
  });
  const written = await answer.json();
  if (!answer.ok) throw new Error(`${written.code}: ${written.detail}`);
  const entry = verifiedEntry(written.receipt);
  equal(Buffer.from(entry.command.statement.payload, "base64"), payload, "the entry's statement");
  return { index: written.receipt.index, ...written.result };
}

// 4.2: a checkpoint under the log's key. 4.1, RFC 9162 2.1.3.2: an inclusion path.
function verifiedEntry({ index, entry, proof }) {
  const data = Buffer.from(entry, "base64"), cut = proof.indexOf("\n\n");
  const [header, told, ...steps] = proof.slice(0, cut).split("\n");
  if (header !== "c2sp.org/tlog-proof@v1" || told !== `index ${index}`) throw new Error("not a proof of this entry");
  const [size, root] = checkpoint(proof.slice(cut + 2));
  let hash = sha256([0], data), place = index, last = size - 1;
  for (const step of steps.map((each) => Buffer.from(each, "base64"))) {
    if (place % 2 === 1 || place === last) {
      hash = sha256([1], step, hash);
      while (place % 2 === 0 && place > 0) [place, last] = [Math.floor(place / 2), Math.floor(last / 2)];
    } else hash = sha256([1], hash, step);
    [place, last] = [Math.floor(place / 2), Math.floor(last / 2)];
  }
  if (last !== 0) throw new Error("the path is too short");
  equal(hash, root, "the inclusion path");
  return JSON.parse(data.toString());
}
function checkpoint(note) {
  const [name, id, key] = [vkey.split("+")[0], vkey.split("+")[1], vkey.split("+").slice(2).join("+")];
  const typed = Buffer.from(key, "base64"), cut = note.lastIndexOf("\n\n"), text = note.slice(0, cut + 1);
  equal(sha256(name, "\n", typed).subarray(0, 4), Buffer.from(id, "hex"), "the vkey");
  const blob = note.slice(cut + 2).split("\n").map((line) => line.split(" "))
    .filter(([dash, signer]) => dash === "\u2014" && signer === name).map((line) => Buffer.from(line[2], "base64"))
    .find((each) => each.subarray(0, 4).toString("hex") === id);
  if (!blob || !verify(null, Buffer.from(text), publicKey(typed.subarray(1)), blob.subarray(4)))
    throw new Error("the log's key did not sign the checkpoint");
  const [origin, size, root] = text.split("\n");
  if (origin !== name) throw new Error("a checkpoint of another log");
  return [Number(size), Buffer.from(root, "base64")];
}

const policy = await (await fetch(url + "/v1/policy")).json();
const { network, terms } = policy, agent = did(seed), task = "task-" + randomUUID();
const pow = findNonce(network, agent, terms.registration.pow_bits);
const registered = await say("/v1/agents", "agent.register", seed, { pow });
if (treasurer)
  await say("/v1/stakes", "stake.deposit", treasurer, { account: agent, amount_units: 10_000, reference: task });
const posted = await say("/v1/tasks", "task.post", seed, {
  task, task_kind: "code-review", spec_sha256: sha256("review this").toString("hex"), price_units: 100,
  deadline_ms: Date.now() + 3_600_000,
});
console.log(JSON.stringify({ agent, registered: registered.index, task, posted: posted.index }));
