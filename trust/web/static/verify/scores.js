// Score files: what a network says about an agent, complete, as of its last seal (docs/protocol.md 8).
import { fromBase64, fromHex, sameBytes, utf8 } from "./bytes.js";
import { takeReceipt } from "./entry.js";
import { is, members, parseStrict } from "./json.js";
import { leafHash, verifyInclusion } from "./merkle.js";
import { trust } from "./receipt.js";
import { expect, report } from "./report.js";
import { decodeSums, scoresOf } from "./reputation.js";

export const SCORES = "trust/scores/v1";
const MAX_FILE_BYTES = 4 * 1024 * 1024;
const ROW = { agent: is.text, role: is.text };
const ROW_MORE = { task_kind: is.text, events: Number.isSafeInteger, sums: is.text, left: is.text };

/** Whether a score file is what the network of `key` said; `facts` has the scores at the time of the seal. */
export const verifyScores = (data, key, options = {}) =>
  report(async (steps) => {
    const { log, quorum } = await trust(steps, key, options);
    const file = parseStrict(data, { maxBytes: MAX_FILE_BYTES });
    const shape = { format: (format) => format === SCORES, agent: is.text, genesis: is.object, seal: is.object, rows: is.objects };
    members(file, "the file of scores", shape);
    const founded = await takeReceipt(steps, file.genesis, log, null);
    const sealed = await takeReceipt(steps, file.seal, log, quorum);
    const genesis = genesisOf(founded.entry, founded.index, log.name);
    const seal = sealed.entry.command.seal;
    expect(is.object(seal) && seal.of === "scores", `entry ${sealed.index} is no seal of scores`);
    expect(is.count(seal.count) && is.count(seal.as_of), `the seal of entry ${sealed.index} is not what it must be`);
    const rows = await takeRows(steps, file.rows, seal);
    const own = await takeOwn(steps, file, rows, seal.count);
    const at_ms = sealed.entry.at_ms;
    const left = own.find((row) => row.role === "party")?.left ?? "";
    const scores = own.filter((row) => row.role !== "party").map((row) => scored(row, genesis, at_ms));
    return { network: log.name, agent: file.agent, index: sealed.index, as_of: seal.as_of, at_ms, left, scores, witnesses: sealed.witnesses };
  });

/** The genesis in entry 0 of a network; `NotProven` for any other entry. */
export function genesisOf(entry, index, network) {
  const { genesis } = entry.command;
  expect(index === 0 && is.object(genesis), `entry ${index} is not the genesis`);
  expect(genesis.network === network, `the genesis of ${genesis.network}, not of ${network}`);
  for (const name of ["t0_ms", "slow_half_life_ms", "fast_half_life_ms"])
    expect(is.count(genesis[name]), `the genesis has no ${name}`);
  return genesis;
}

const takeRows = (steps, shown, seal) =>
  steps.take("each row is in the seal", async (told) => {
    const root = fromHex(seal.root, 32);
    const rows = [];
    for (const each of shown) {
      members(each, "a row", { place: is.count, row: is.text, path: is.texts });
      const bytes = fromBase64(each.row);
      const path = each.path.map((step) => fromBase64(step, 32));
      await verifyInclusion(await leafHash(bytes), each.place, seal.count, path, root);
      rows.push(parseRow(bytes, each.place));
    }
    told.detail = `${rows.length} rows of ${seal.count}`;
    return rows;
  });

function parseRow(bytes, place) {
  const row = members(parseStrict(bytes, { maxBytes: MAX_FILE_BYTES }), `row ${place}`, ROW, { optional: ROW_MORE });
  const full = { agent: row.agent, role: row.role, task_kind: row.task_kind || undefined, events: row.events || undefined };
  const canonical = JSON.stringify({ ...full, sums: row.sums || undefined, left: row.left || undefined });
  expect(sameBytes(utf8(canonical), bytes), `row ${place}: its bytes are not canonical`);
  return { task_kind: "", events: 0, sums: "", left: "", ...row };
}

const takeOwn = (steps, file, rows, count) =>
  steps.take("no row of this agent is left out", (told) => {
    const places = file.rows.map((each) => each.place);
    const [first, last] = [places[0], places.at(-1)];
    expect(places.length ? places.every((place, at) => place === first + at) : count === 0, "the rows do not stand side by side");
    for (let at = 1; at < rows.length; at++) expect(isBefore(rows[at - 1], rows[at]), "the rows are not in order");
    const own = rows.filter((row) => row.agent === file.agent);
    const before = rows.filter((row) => row.agent < file.agent).length;
    const after = rows.filter((row) => row.agent > file.agent).length;
    expect(before <= 1 && after <= 1, "rows of others are in the file that are no neighbours of this agent's");
    const isWhole = !places.length || ((first === 0 || before) && (last === count - 1 || after));
    expect(isWhole, "rows of this agent may be missing: the file does not show its neighbours");
    told.detail = `${own.length} of ${file.agent}`;
    return own;
  });

function isBefore(one, other) {
  for (const name of ["agent", "role", "task_kind"])
    if (one[name] !== other[name]) return one[name] < other[name];
  return false;
}

function scored(row, genesis, atMs) {
  const { role, task_kind, events } = row;
  return { role, task_kind, events, ...scoresOf(decodeSums(row.sums), genesis, atMs) };
}
