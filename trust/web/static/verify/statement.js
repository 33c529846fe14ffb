// Statements: did:key, the bytes that are signed, envelopes, ids (docs/protocol.md 1.1, 2).
import { fromBase58, fromBase64, joined, sha256, toBase58, toBase64, toHex, utf8 } from "./bytes.js";
import { isValidKey, signerOf, verifySignature } from "./ed25519.js";
import { is, members, parseStrict } from "./json.js";
import { expect, quoted } from "./report.js";

export const PAYLOAD_TYPE = "application/vnd.ants.trust.v1+json";
const MAX_ENVELOPE_BYTES = 65_536;
const MAX_PAYLOAD_BYTES = 16_384;
const MAX_LARGE_BYTES = 40_960;
const LARGE = ["policy.adopt", "evidence.submit", "items.open"];
const MAX_SIGNERS = 16;
const DID = /^did:key:z[1-9A-HJ-NP-Za-km-z]{47}$/;
const COMMON = { kind: is.text, network: is.text, actor: is.text, issued_ms: is.count, expires_ms: is.count };

/** @typedef {{did: string, sign: (message: Uint8Array) => Promise<Uint8Array>}} Signer */
/** @typedef {{payloadType: string, payload: string, signatures: {keyid: string, sig: string}[]}} Envelope */

/** The did:key of a 32-byte public key. */
export const didOf = (publicKey) => "did:key:z" + toBase58(joined([0xed, 0x01], publicKey));

/** The 32-byte public key that a did:key names. */
export function keyOf(did) {
  expect(typeof did === "string" && DID.test(did), `not a did:key of Ed25519: ${quoted(did)}`);
  const raw = fromBase58(did.slice("did:key:z".length), 34);
  expect(raw[0] === 0xed && raw[1] === 0x01, `not the prefix of an Ed25519 key: ${quoted(did)}`);
  expect(isValidKey(raw.subarray(2)), `not a point of the prime-order group: ${quoted(did)}`);
  return raw.subarray(2);
}

/** Who signs with a 32-byte seed. Any object with `did` and `sign(bytes)` takes its place: a key need not be here. */
export async function signerOfSeed(seed) {
  const { publicKey, sign } = await signerOf(seed);
  return { did: didOf(publicKey), sign };
}

/** DSSE's pre-authentication encoding: the bytes that are signed. */
export function pae(payload, type = PAYLOAD_TYPE) {
  const name = utf8(type);
  return joined(`DSSEv1 ${name.length} `, name, ` ${payload.length} `, payload);
}

/** The id of a statement, from its payload's bytes. */
export const statementId = async (payload) => "sha256:" + toHex(await sha256(payload));

/**
 * The envelope of a payload (an object, or its bytes) with everybody's signature. Keep its text: whoever has to send a
 * statement again sends the same bytes.
 * @param {object | Uint8Array} said
 * @param {...Signer} signers
 * @returns {Promise<Envelope>}
 */
export async function signStatement(said, ...signers) {
  const payload = said instanceof Uint8Array ? said : utf8(JSON.stringify(said));
  const message = pae(payload);
  const signatures = [];
  for (const { did, sign } of signers) signatures.push({ keyid: did, sig: toBase64(await sign(message)) });
  signatures.sort((one, other) => (one.keyid < other.keyid ? -1 : 1));
  return { payloadType: PAYLOAD_TYPE, payload: toBase64(payload), signatures };
}

/**
 * The statement in an envelope (its JSON text, or parsed), each signature of which holds, with those that it shows.
 * @param {Uint8Array | string | Envelope} envelope
 * @returns {Promise<{id: string, payload: any, bytes: Uint8Array, signers: string[]}>}
 */
export async function openStatement(envelope) {
  const statement = await openOne(envelope);
  for (const shown of shownBy(statement.payload)) await openOne(shown);
  return statement;
}

function shownBy(payload) {
  if (payload.kind === "relay.attest") return [payload.statement];
  if (payload.kind !== "evidence.submit") return [];
  expect(is.texts(payload.statements), "the statements that evidence shows are texts");
  return payload.statements;
}

async function openOne(envelope) {
  const parsed = is.object(envelope) && !(envelope instanceof Uint8Array) ? envelope : parseStrict(envelope, { maxBytes: MAX_ENVELOPE_BYTES });
  members(parsed, "the envelope", { payloadType: is.text, payload: is.text, signatures: is.objects });
  expect(parsed.payloadType === PAYLOAD_TYPE, `payloadType is not ${PAYLOAD_TYPE}`);
  const bytes = fromBase64(parsed.payload);
  const payload = members(parseStrict(bytes, { maxBytes: MAX_LARGE_BYTES }), "the payload", COMMON, { open: true });
  expect(bytes.length <= MAX_PAYLOAD_BYTES || LARGE.includes(payload.kind), `the payload has ${bytes.length} bytes`);
  keyOf(payload.actor);
  const signers = await checkedSigners(parsed.signatures, pae(bytes));
  return { id: await statementId(bytes), payload, bytes, signers };
}

async function checkedSigners(signatures, message) {
  const count = signatures.length;
  expect(1 <= count && count <= MAX_SIGNERS, `${count} signatures, from 1 to ${MAX_SIGNERS} are allowed`);
  const signers = signatures.map((each) => members(each, "a signature", { keyid: is.text, sig: is.text }).keyid);
  expect(new Set(signers).size === count, "two signatures of one key");
  for (const { keyid, sig } of signatures)
    expect(await verifySignature(keyOf(keyid), message, fromBase64(sig, 64)), `the signature of ${keyid} does not hold`);
  return signers;
}
