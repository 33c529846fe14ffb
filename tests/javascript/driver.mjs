// Runs what the tests ask of the JavaScript verifier: one request a line, one answer a line.
//
//   node driver.mjs DIRECTORY      {"call": "name", "args": [...]}      bytes are {"hex": "..."}
import { readdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [directory] = process.argv.slice(2);
const offered = {};
for (const name of readdirSync(directory))
  if (name.endsWith(".js") && name !== "offline.js") Object.assign(offered, await import(pathToFileURL(`${directory}/${name}`)));

const fromHex = (text) => Uint8Array.from(Buffer.from(text, "hex"));
const decode = (name, value) => (typeof value?.hex === "string" ? fromHex(value.hex) : value);
const encode = (name, value) => {
  if (typeof value === "bigint") return Number(value);
  return value instanceof Uint8Array ? { hex: Buffer.from(value).toString("hex") } : value;
};

/** Each place and mask whose change of a file is not refused, with the verdict. */
async function flips(call, data, key, options, places, masks) {
  const survived = [];
  const log = await offered.logKey(key);
  for (const at of places)
    for (const mask of masks) {
      const changed = data.slice();
      changed[at] ^= mask;
      const { verdict, reason } = await offered[call](changed, log, options);
      if (verdict !== "refused") survived.push([at, mask, verdict, reason]);
    }
  return survived;
}

/** What a watch says of each note in turn; `proofs` has the path between two sizes as "from-to". */
async function watch(key, options, notes, proofs, held = {}) {
  const store = storeOf(held);
  const prove = async (from, to) => {
    if (!proofs[`${from}-${to}`]) throw new Error("no answer");
    return proofs[`${from}-${to}`].map(fromHex);
  };
  const told = [];
  for (const note of notes) {
    const watching = new offered.Watch(store, key, options);
    if (note === "forget") await watching.forget();
    else told.push(await watching.see(note, prove));
  }
  return { told, held };
}

const storeOf = (kept) => ({ getItem: (name) => kept[name] ?? null, setItem: (name, value) => (kept[name] = value) });

/** What a watch says of a service, twice. */
async function watchService(url, key) {
  const watching = new offered.Watch(storeOf({}), key);
  return [await watching.look(url), await watching.look(url)];
}

/** Two pages with one store: while one proves its checkpoint, the other sees a later one. */
async function race(key, first, mine, others, proofs) {
  const kept = {};
  const path = async (from, to) => proofs[`${from}-${to}`].map(fromHex);
  const page = () => new offered.Watch(storeOf(kept), key);
  await page().see(first, path);
  let other = null;
  const proveLate = async (from, to) => {
    other ??= await page().see(others, path);
    return path(from, to);
  };
  return { mine: await page().see(mine, proveLate), other, held: Object.values(kept)[0] };
}

/** A call where a browser withholds WebCrypto. */
async function withoutWebCrypto(call, ...args) {
  const own = Object.getOwnPropertyDescriptor(globalThis, "crypto");
  Object.defineProperty(globalThis, "crypto", { value: undefined, configurable: true });
  try {
    return await offered[call](...args);
  } finally {
    Object.defineProperty(globalThis, "crypto", own);
  }
}

const prove = (url, from, to) => offered.proverOf(url)(from, to);
const sign = async (said, seeds) => offered.signStatement(said, ...(await Promise.all(seeds.map(offered.signerOfSeed))));

/** Milliseconds for one call, the middle of many. */
async function timed(call, times, ...args) {
  const took = [];
  for (let n = 0; n < times; n++) {
    const before = performance.now();
    await offered[call](...args);
    took.push(performance.now() - before);
  }
  return took.sort((one, other) => one - other)[times >> 1];
}

/** What a call returns for each list of arguments, or {"error": ...}. */
async function each(call, lists) {
  const answers = [];
  for (const args of lists) {
    try {
      answers.push(await offered[call](...args));
    } catch (error) {
      answers.push({ error: error.message, refused: error instanceof offered.NotProven });
    }
  }
  return answers;
}

const own = { flips, watch, watchService, race, withoutWebCrypto, prove, sign, timed, each };
for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const { call, args } = JSON.parse(line, decode);
    answer = { value: await (own[call] ?? offered[call])(...args) };
  } catch (error) {
    answer = { error: error.message };
  }
  process.stdout.write(JSON.stringify(answer, encode) + "\n");
}
