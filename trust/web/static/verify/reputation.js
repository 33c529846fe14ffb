// From a record's raw sums to its scores, in exact integers (docs/reputation.md 2).
import { fromBase64, integerOf } from "./bytes.js";
import { expect } from "./report.js";

const STEPS = 4096n;
const PRECISION = 128n;
const PPM = 1_000_000n;
const UNIT = 1_000n;
const PRIOR_GOOD = 4_500n;
const PRIOR_BAD = 500n;
const SLOW_SHARE = 300_000n;
const Z = 1_280n;
const LEAST_GOOD = 500n;
const FAILURE_LIVES = 4n;
let table = [];

/** The six raw sums of a row: good, bad and failure with the slow half-life, then with the fast one. */
export function decodeSums(text) {
  const data = fromBase64(text);
  const sums = [];
  let at = 0;
  while (at < data.length) {
    const length = Number(integerOf(data.subarray(at, at + 2)));
    const part = data.subarray(at + 2, at + 2 + length);
    expect(at + 2 + length <= data.length && (length === 0 || part[0] !== 0), "not the encoding of raw sums");
    sums.push(integerOf(part));
    at += 2 + length;
  }
  expect(sums.length === 6, "a record has six raw sums");
  return sums;
}

/**
 * Expected and priority in millionths, and decayed observations in thousandths, of raw sums at a time.
 * @param {bigint[]} sums
 * @param {{t0_ms: number, slow_half_life_ms: number, fast_half_life_ms: number}} genesis
 * @param {number} atMs
 */
export function scoresOf(sums, genesis, atMs) {
  const slow = readAt(sums.slice(0, 3), genesis, genesis.slow_half_life_ms, atMs);
  const fast = readAt(sums.slice(3), genesis, genesis.fast_half_life_ms, atMs);
  const numbers = { expected_ppm: expected(slow, fast), priority_ppm: priority(slow, fast), observations_milli: slow.good + slow.bad };
  return Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, Number(value)]));
}

/** G(t): 2^16 at t0, doubling every half-life in 4,096 steps. */
export function growth(atMs, t0Ms, halfLifeMs) {
  const since = BigInt(atMs) - BigInt(t0Ms);
  expect(since >= 0n && BigInt(halfLifeMs) > 0n, "a time before the zero of time");
  if (!table.length) table = makeTable();
  const steps = (since * STEPS) / BigInt(halfLifeMs);
  return table[Number(steps % STEPS)] << (steps / STEPS);
}

function makeTable() {
  let root = 2n << PRECISION;
  let values = [1n << PRECISION];
  while (values.length < STEPS) {
    root = floorSqrt(root << PRECISION);
    values = values.flatMap((low) => [low, (low * root) >> PRECISION]);
  }
  return values.map((value) => value >> (PRECISION - 16n));
}

function readAt([good, bad, failure], { t0_ms }, halfLife, atMs) {
  const now = growth(atMs, t0_ms, halfLife);
  const failed = growth(atMs, t0_ms, BigInt(halfLife) * FAILURE_LIVES);
  return { good: good / now, bad: bad / now + failure / failed };
}

function expected(slow, fast) {
  const [goodSlow, allSlow] = withPrior(slow.good, slow.bad);
  const [goodFast, allFast] = withPrior(fast.good, fast.bad);
  return (SLOW_SHARE * goodSlow * allFast + (PPM - SLOW_SHARE) * goodFast * allSlow) / (allSlow * allFast);
}

function priority(slow, fast) {
  if (slow.good < LEAST_GOOD) return 0n;
  const [goodSlow, allSlow] = withPrior(slow.good, 0n);
  const [goodFast, allFast] = withPrior(fast.good, fast.bad);
  const ofSlow = bound(UNIT + slow.good, UNIT + slow.bad);
  const ofFast = bound(UNIT + slow.good, UNIT, goodSlow * allFast - goodFast * allSlow, allSlow * allFast);
  const over = (ofSlow < ofFast ? ofSlow : ofFast) - bound(UNIT, UNIT);
  return over > 0n ? over : 0n;
}

const withPrior = (good, bad) => [PRIOR_GOOD + good, PRIOR_GOOD + good + PRIOR_BAD + bad];

/** floor of 10^6 * (LB_1.28(a, b) - less / scale), the root rounded up inside the fraction. */
function bound(a, b, less = 0n, scale = 1n) {
  const n = a + b;
  const squared = 10n ** 9n * Z ** 2n * a * b * scale ** 2n;
  const root = ceilSqrt((squared + n + UNIT - 1n) / (n + UNIT));
  return floorDivide(PPM * (a * scale - less * n) - root, n * scale);
}

const ceilSqrt = (number) => (number ? floorSqrt(number - 1n) + 1n : 0n);

function floorDivide(number, by) {
  const quotient = number / by;
  return number % by < 0n ? quotient - 1n : quotient;
}

function floorSqrt(number) {
  if (number < 2n) return number;
  let guess = 1n << BigInt((number.toString(2).length + 1) >> 1);
  for (;;) {
    const next = (guess + number / guess) >> 1n;
    if (next >= guess) return guess;
    guess = next;
  }
}
