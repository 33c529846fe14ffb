// Ed25519 (RFC 8032) by WebCrypto, held to what docs/protocol.md 1.1 and 2.1 ask beyond it.
//
// WebCrypto takes any 32 bytes for a key. A key here is the canonical encoding of a point of the prime-order subgroup, so
// that one key has one name and signs only what its holder meant; that is computed with BigInt, once for each key.
import { joined, subtle, toHex } from "./bytes.js";
import { CannotSay, NotProven } from "./report.js";

const P = 2n ** 255n - 19n;
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const SQRT_OF_MINUS_ONE = power(2n, (P - 1n) / 4n);
const D = modP(-121665n * power(121666n, P - 2n));
const PKCS8 = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
const MAX_CACHED = 4096;
const validKeys = new Map();
const importedKeys = new Map();

/** Whether 32 bytes are a canonical point of the prime-order subgroup. */
export function isValidKey(bytes) {
  return cached(validKeys, toHex(bytes), () => isOfPrimeOrder(bytes));
}

function isOfPrimeOrder(bytes) {
  const point = bytes.length === 32 ? decoded(bytes) : null;
  if (point === null || isNeutral(point)) return false;
  let sum = [0n, 1n, 1n, 0n];
  for (const bit of ORDER.toString(2)) {
    sum = added(sum, sum);
    if (bit === "1") sum = added(sum, point);
  }
  return isNeutral(sum);
}

/** Whether 64 bytes are the signature of a key (32 bytes) over a message. */
export async function verifySignature(key, message, signature) {
  if (signature.length !== 64) return false;
  const R = signature.subarray(0, 32);
  if (R[0] === 1 && R.subarray(1).every((byte) => byte === 0)) return false; // the neutral point
  const imported = await importedKey(key);
  return imported !== null && subtle().verify("Ed25519", imported, signature, message);
}

/** The public key of a 32-byte seed, and what signs with it. */
export async function signerOf(seed) {
  if (seed.length !== 32) throw new RangeError("a seed has 32 bytes");
  const key = await withEd25519(() => subtle().importKey("pkcs8", joined(PKCS8, seed), "Ed25519", true, ["sign"]));
  const { x } = await subtle().exportKey("jwk", key);
  const raw = atob(x.replaceAll("-", "+").replaceAll("_", "/"));
  const publicKey = Uint8Array.from(raw, (character) => character.charCodeAt(0));
  return { publicKey, sign: async (message) => new Uint8Array(await subtle().sign("Ed25519", key, message)) };
}

function importedKey(bytes) {
  if (!isValidKey(bytes)) return null;
  return cached(importedKeys, toHex(bytes), () => withEd25519(() => subtle().importKey("raw", bytes, "Ed25519", false, ["verify"])));
}

function cached(cache, name, make) {
  if (cache.has(name)) return cache.get(name);
  if (cache.size >= MAX_CACHED) cache.clear();
  const value = make();
  cache.set(name, value);
  return value;
}

async function withEd25519(use) {
  try {
    return await use();
  } catch (error) {
    if (error instanceof NotProven || error instanceof CannotSay) throw error;
    throw new CannotSay(`this program's WebCrypto has no Ed25519 (${error.name}): use a newer one`);
  }
}

function decoded(bytes) {
  const encoded = BigInt("0x" + toHex(Uint8Array.from(bytes).reverse()));
  const y = encoded & (2n ** 255n - 1n);
  if (y >= P) return null;
  const u = modP(y * y - 1n);
  const v = modP(D * y * y + 1n);
  let x = modP(u * v ** 3n * power(modP(u * v ** 7n), (P - 5n) / 8n));
  if (modP(v * x * x + u) === 0n) x = modP(x * SQRT_OF_MINUS_ONE);
  if (modP(v * x * x - u) !== 0n) return null;
  const odd = encoded >> 255n;
  if (x === 0n && odd === 1n) return null;
  if ((x & 1n) !== odd) x = P - x;
  return [x, y, 1n, modP(x * y)];
}

function added([x1, y1, z1, t1], [x2, y2, z2, t2]) {
  const a = modP((y1 - x1) * (y2 - x2));
  const b = modP((y1 + x1) * (y2 + x2));
  const c = modP(2n * D * modP(t1 * t2));
  const d = modP(2n * z1 * z2);
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return [modP(e * f), modP(g * h), modP(f * g), modP(e * h)];
}

const isNeutral = ([x, y, z]) => x === 0n && y === z;

function modP(number) {
  const rest = number % P;
  return rest < 0n ? rest + P : rest;
}

function power(base, exponent) {
  let result = 1n;
  for (const bit of exponent.toString(2)) {
    result = (result * result) % P;
    if (bit === "1") result = (result * base) % P;
  }
  return result;
}
