// The Merkle tree of RFC 9162, 2.1: hashes, inclusion paths, consistency proofs (docs/protocol.md 4.1).
import { sameBytes, sha256, toHex } from "./bytes.js";
import { expect } from "./report.js";

export const MAX_SIZE = 2n ** 63n - 1n;

export const leafHash = (data) => sha256([0], data);
export const nodeHash = (left, right) => sha256([1], left, right);
export const emptyRoot = () => sha256();

/** The root to which an inclusion path leads from the leaf's hash at `index` of `size` leaves. */
export async function rootOfPath(leaf, index, size, path) {
  [index, size] = [BigInt(index), BigInt(size)];
  expect(0n <= index && index < size && size <= MAX_SIZE, `there is no leaf ${index} in a tree of ${size} leaves`);
  const forks = bitLength(index ^ (size - 1n));
  checkPath(path, forks + bitCount(index >> BigInt(forks)));
  return climb(leaf, index, forks, path);
}

/** Returns where a leaf's hash is at `index` of the tree of `size` leaves with this root; else `NotProven`. */
export async function verifyInclusion(leaf, index, size, path, root) {
  checkRoot(await rootOfPath(leaf, index, size, path), root, size);
}

/** Returns where the tree of `newSize` begins with the one of `oldSize`; else `NotProven`. */
export async function verifyConsistency(oldSize, oldRoot, newSize, newRoot, path) {
  const [old, now] = await rootsOfConsistency(oldSize, oldRoot, newSize, newRoot, path);
  checkRoot(now, newRoot, newSize);
  checkRoot(old, oldRoot, oldSize);
}

/** The two roots to which a consistency proof leads: what the larger tree says of the smaller one's size, and its own. */
export async function rootsOfConsistency(oldSize, oldRoot, newSize, newRoot, path) {
  [oldSize, newSize] = [BigInt(oldSize), BigInt(newSize)];
  expect(0n <= oldSize && oldSize <= newSize && newSize <= MAX_SIZE, `a tree of ${newSize} leaves does not extend one of ${oldSize}`);
  if (oldSize === 0n || oldSize === newSize) {
    checkPath(path, 0);
    const empty = await emptyRoot();
    return [oldSize ? newRoot : empty, newSize ? newRoot : empty];
  }
  const level = BigInt(bitLength(oldSize & -oldSize) - 1);
  const last = (oldSize >> level) - 1n;
  const forks = bitLength(last ^ ((newSize - 1n) >> level));
  checkPath(path, (last > 0n ? 1 : 0) + forks + bitCount(last >> BigInt(forks)));
  // Where the old tree is one complete subtree, its root is not in the proof.
  const [seed, rest] = last > 0n ? [path[0], path.slice(1)] : [oldRoot, path];
  const left = rest.filter((_, at) => at >= forks || isOdd(last, at));
  return [await climb(seed, 0n, 0, left), await climb(seed, last, forks, rest)];
}

async function climb(start, index, forks, path) {
  let hash = start;
  for (const [level, step] of path.entries())
    hash = level >= forks || isOdd(index, level) ? await nodeHash(step, hash) : await nodeHash(hash, step);
  return hash;
}

function checkPath(path, count) {
  expect(path.length === count, `the path has ${path.length} hashes where ${count} are due`);
  expect(path.every((step) => step.length === 32), "a hash is not 32 bytes");
}

function checkRoot(computed, root, size) {
  expect(sameBytes(computed, root), `the path leads to ${toHex(computed)}, not to the root ${toHex(root)} of size ${size}`);
}

const isOdd = (number, level) => ((number >> BigInt(level)) & 1n) === 1n;
const bitLength = (number) => (number === 0n ? 0 : number.toString(2).length);
const bitCount = (number) => number.toString(2).replaceAll("0", "").length;
