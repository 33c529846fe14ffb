// Bundles: the entries of one case, each in the log and signed (docs/protocol.md 4.6). Whether they follow from one
// another by the rules, and whether the draw was right, is not checked here: `trust bundle verify` does that.
import { fromBase64, sha256, toHex } from "./bytes.js";
import { parseEntry, takeCheckpoint } from "./entry.js";
import { is, members, parseStrict } from "./json.js";
import { leafHash, verifyInclusion } from "./merkle.js";
import { trust } from "./receipt.js";
import { NotProven, expect, report } from "./report.js";
import { genesisOf } from "./scores.js";
import { openStatement } from "./statement.js";

export const BUNDLE = "trust/bundle/v1";
const MAX_BUNDLE_BYTES = 64 * 1024 * 1024;
const MAX_ENTRIES = 4096;
const SHAPE = { format: (format) => format === BUNDLE, claim: is.text, checkpoint: is.text, entries: is.objects, hashes: is.texts, pool: is.texts };

/** Whether every entry of a bundle is in the log, canonical and signed by who it says; `facts.entries` are those. */
export const verifyBundle = (data, key, options = {}) =>
  report(async (steps) => {
    const { log, quorum } = await trust(steps, key, options);
    const file = members(parseStrict(data, { maxBytes: MAX_BUNDLE_BYTES }), "the bundle", SHAPE);
    const { checkpoint, witnesses } = await takeCheckpoint(steps, file.checkpoint, log, quorum);
    const hashes = await steps.take("the file has its form", () => formed(file));
    const entries = await takeEntries(steps, file, hashes, checkpoint);
    genesisOf(entries[0].entry, entries[0].index, log.name);
    await takeSignatures(steps, entries, log.name);
    await takeMoney(steps, entries);
    await takePools(steps, entries, file.pool);
    await takeClaim(steps, entries, file.claim);
    return { claim: file.claim, checkpoint, witnesses, entries };
  });

function formed({ entries, hashes, pool }) {
  expect(entries.length <= MAX_ENTRIES, `${entries.length} entries, at most ${MAX_ENTRIES} are allowed`);
  for (const each of entries) members(each, "an entry", { index: is.count, entry: is.text, path: is.counts });
  expect(entries[0]?.index === 0, "entry 0, the genesis, is missing");
  expect(entries.every((each, at) => at === 0 || entries[at - 1].index < each.index), "entries are not in log order");
  const used = new Set(entries.flatMap((each) => each.path));
  const isExact = used.size === hashes.length && [...used].every((place) => place < hashes.length);
  expect(isExact, "the paths do not use exactly the file's hashes");
  for (const texts of [hashes, pool]) expect(new Set(texts).size === texts.length, "the same bytes twice");
  return hashes.map((hash) => fromBase64(hash, 32));
}

const takeEntries = (steps, file, hashes, checkpoint) =>
  steps.take("each entry is canonical and in that tree", async (told) => {
    const entries = [];
    for (const { index, entry: text, path } of file.entries) {
      const data = fromBase64(text);
      const way = path.map((place) => hashes[place]);
      await of(index, async () => {
        await verifyInclusion(await leafHash(data), index, checkpoint.size, way, checkpoint.root);
        const entry = parseEntry(data, true);
        expect(!entries.length || entries.at(-1).entry.at_ms <= entry.at_ms, "time goes back");
        expect(!entries.length || !entry.command.genesis, "the genesis is entry 0 and no other");
        entries.push({ index, data, entry, statement: null });
      });
    }
    told.detail = `${entries.length} of ${checkpoint.size} entries`;
    return entries;
  });

const takeSignatures = (steps, entries, network) =>
  steps.take("each statement is signed by its actor", async (told) => {
    const keys = new Map();
    let count = 0;
    for (const each of entries) {
      if (!each.entry.command.statement) continue;
      await of(each.index, async () => {
        each.statement = await openStatement(each.entry.command.statement);
        const { kind, network: named, actor, new_key } = each.statement.payload;
        expect(named === network, `a statement of network ${named}`);
        expect(each.statement.signers.includes(keys.get(actor) ?? actor), `no key of ${actor} that the bundle knows signed`);
        if (kind === "agent.rotate") keys.set(actor, new_key);
        count++;
      });
    }
    told.detail = `${count} statements`;
  });

const takeMoney = (steps, entries) =>
  steps.take("no money comes from nowhere", async (told) => {
    let count = 0;
    for (const { index, entry } of entries)
      for (const event of entry.events.filter((each) => each.kind === "money.moved"))
        await of(index, () => {
          expect(is.list(event.postings) && event.postings.every(isPosting), "postings that are none");
          const sum = event.postings.reduce((total, [, units]) => total + BigInt(units), 0n);
          expect(sum === 0n, `postings sum to ${sum}`);
          count++;
        });
    told.detail = `${count} postings, each sums to zero`;
  });

const isPosting = (each) => is.list(each) && each.length === 2 && is.text(each[0]) && Number.isSafeInteger(each[1]);

const takePools = (steps, entries, pool) =>
  steps.take("each node of the pools hangs on a seal", async (told) => {
    const nodes = new Map();
    for (const text of pool) {
      const node = fromBase64(text);
      nodes.set(toHex(await sha256("trust/pool/v1\n", node)), node);
    }
    const named = entries.map(({ entry }) => entry.command.seal?.root).filter(Boolean);
    while (named.length) {
      const digest = named.pop();
      if (nodes.has(digest)) named.push(...childrenOf(nodes.get(digest)));
      nodes.delete(digest);
    }
    expect(nodes.size === 0, "a node of a pool is of none that is sealed here");
    told.detail = `${pool.length} nodes`;
  });

function childrenOf(node) {
  const children = [];
  if (node[0] > 0) for (let at = 9; at + 48 <= node.length; at += 48) children.push(toHex(node.subarray(at, at + 32)));
  return children;
}

const takeClaim = (steps, entries, claim) =>
  steps.take("it is the case that it says", (told) => {
    const opens = (event) => event.kind === "claim.opened" && event.claim === claim;
    const opened = entries.find(({ entry }) => entry.events.some(opens));
    expect(opened, `no entry opens ${claim}`);
    told.detail = `${claim}, opened by entry ${opened.index}`;
  });

/** Runs a check of one entry; what it refuses names the entry. */
async function of(index, check) {
  try {
    await check();
  } catch (error) {
    if (error instanceof NotProven) error.message = `entry ${index}: ${error.message}`;
    throw error;
  }
}

