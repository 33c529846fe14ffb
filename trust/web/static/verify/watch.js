// What a reader saw last of a log, and whether what it sees now is the same log further on (docs/protocol.md 4.2).
import { fromHex, sameBytes, toHex } from "./bytes.js";
import { takeCheckpoint } from "./entry.js";
import { forkEvidence } from "./fork.js";
import { openCheckpoint } from "./logkey.js";
import { rootsOfConsistency } from "./merkle.js";
import { trust } from "./receipt.js";
import { NotProven, expect, report } from "./report.js";

const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/**
 * Where the last checkpoint is kept: `localStorage`, or anything with its two functions.
 * @typedef {{getItem(name: string): string | null, setItem(name: string, value: string): void}} Store
 * @typedef {{state: "fork" | "rollback", message: string, notes: string[], evidence: string}} Raised
 */

/** A fork or a rollback: `state` says which, `notes` are what was held and what was shown, `evidence` a file that convicts, or "". */
export class Alarm extends NotProven {
  constructor(state, message, notes, evidence = "") {
    super(message);
    Object.assign(this, { state, notes, evidence });
  }
}

/**
 * Remembers the last checkpoint of one log. What it held when an alarm came stays held, and so does the alarm, until the
 * reader calls `forget`: a log that forked once is no more to be believed when it shows the old tree again.
 */
export class Watch {
  /**
   * @param {Store} store
   * @param {string | import("./logkey.js").LogKey} key
   * @param {{quorum?: string}} options
   */
  constructor(store, key, options = {}) {
    Object.assign(this, { store, key, options });
  }

  /**
   * Asks a service for its newest checkpoint and holds it against the last one. `facts.state` of the report says what is
   * new: first, same, grown, or older where another page saw a newer one meanwhile. A fork or a rollback is `alarm`.
   * @param {string} url
   */
  async look(url) {
    const got = await report(async () => ({ since: this.read().note, note: await fetchCheckpoint(url) }));
    return got.ok ? this.see(got.facts.note, proverOf(url), got.facts.since) : { ...got, alarm: null };
  }

  /**
   * The same for a checkpoint that the caller has. `prove(from, to)` gets the hashes of the consistency proof between two
   * sizes; `since` is what was held when the checkpoint was asked for: only one smaller than that is a rollback.
   * @param {string} note
   * @param {(from: bigint, to: bigint) => Promise<Uint8Array[]>} prove
   * @param {string | null} [since]
   */
  async see(note, prove, since) {
    let alarm = null;
    const seen = await report(async (steps) => {
      const { log, quorum } = await trust(steps, this.key, this.options);
      await steps.take("there was no alarm before", () => {
        const held = this.read();
        alarm = held.alarm;
        expect(!alarm, `an alarm stands: ${alarm?.message}`);
        since ??= held.note;
      });
      const { checkpoint } = await takeCheckpoint(steps, note, log, quorum);
      return steps.take("it is the log that you saw before", (told) =>
        this.follow({ log, note, checkpoint, prove, since }, told, (raised) => (alarm = raised)),
      );
    });
    return { ...seen, alarm };
  }

  /** Forgets the log, with its alarm. */
  forget() {
    this.store.setItem(this.name, "");
  }

  async follow(shown, told, raise) {
    for (;;) {
      const before = this.store.getItem(this.name);
      const held = this.read().note;
      try {
        const state = await compare(held, shown, told);
        if (this.store.getItem(this.name) !== before) continue; // another page was faster: once more, against what it saw
        if (state === "first" || state === "grown") this.keep(shown.note, null);
        return { state, checkpoint: shown.checkpoint };
      } catch (error) {
        if (error instanceof Alarm) {
          const { state, message, notes, evidence } = error;
          raise({ state, message, notes, evidence });
          this.keep(held, { state, message, notes, evidence });
        }
        throw error;
      }
    }
  }

  get name() {
    const vkey = typeof this.key === "string" ? this.key.trim() : this.key.tenures[0].key.vkey;
    return `trust/checkpoint/v1/${vkey}`;
  }

  keep(note, alarm) {
    this.store.setItem(this.name, JSON.stringify({ note, alarm }));
  }

  read() {
    const text = this.store.getItem(this.name);
    return text ? JSON.parse(text) : { note: null, alarm: null };
  }
}

/** How a checkpoint stands to the one that is held: first, same, grown or older; throws an `Alarm`. */
async function compare(held, { note, checkpoint, log, prove, since }, told) {
  if (held === null) {
    told.detail = `the first that is seen: ${checkpoint.size} entries`;
    return "first";
  }
  const last = await openCheckpoint(held, log);
  told.detail = `${last.size} entries before, ${checkpoint.size} now`;
  if (checkpoint.size === last.size) {
    if (sameBytes(checkpoint.root, last.root)) return "same";
    throw new Alarm("fork", `FORK: two trees of ${last.size} entries`, [held, note], forkEvidence(held, note));
  }
  const isOlder = checkpoint.size < last.size;
  if (isOlder && (await isRollback(since, checkpoint, log))) throw new Alarm("rollback", `ROLLBACK: ${told.detail}`, [held, note]);
  if (isOlder) await checkGrown(note, checkpoint, held, last, await prove(checkpoint.size, last.size));
  else await checkGrown(held, last, note, checkpoint, await prove(last.size, checkpoint.size));
  return isOlder ? "older" : "grown";
}

/** Whether a checkpoint is smaller than what was held before it was asked for. */
const isRollback = async (since, checkpoint, log) => since !== null && checkpoint.size < (await openCheckpoint(since, log)).size;

async function checkGrown(held, last, note, checkpoint, path) {
  const told = `FORK: the ${checkpoint.size} entries do not begin with the ${last.size} that were seen`;
  let roots = null;
  try {
    roots = await rootsOfConsistency(last.size, last.root, checkpoint.size, checkpoint.root, path);
  } catch (error) {
    if (!(error instanceof NotProven)) throw error;
    throw new Alarm("fork", `${told} (${error.message})`, [held, note]);
  }
  const [old, now] = roots;
  if (sameBytes(now, checkpoint.root) && sameBytes(old, last.root)) return;
  const convicts = sameBytes(now, checkpoint.root);
  const evidence = convicts ? forkEvidence(held, note, old, path) : "";
  throw new Alarm("fork", `${told} (${toHex(old)}, not ${toHex(last.root)})`, [held, note], evidence);
}

/** The newest checkpoint of a service, as text. */
export const fetchCheckpoint = (url) => fetchText(`${url}/log/checkpoint`);

/** The `prove` of `see` for a service: its consistency proofs. */
export const proverOf = (url) => async (from, to) => {
  const answer = JSON.parse(await fetchText(`${url}/log/proof/consistency?from=${from}&to=${to}`));
  expect(Array.isArray(answer.path), "the answer has no consistency proof");
  return answer.path.map((step) => fromHex(step, 32));
};

/** The receipt of an entry, as text. */
export const fetchReceipt = (url, index) => fetchText(`${url}/v1/receipts/${index}`);

async function fetchText(url) {
  const answer = await fetch(url, { credentials: "omit", redirect: "error" });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  if (text.length > MAX_ANSWER_BYTES) throw new Error(`${url} answered with more than ${MAX_ANSWER_BYTES} bytes`);
  return text;
}
