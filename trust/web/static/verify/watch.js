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
 * @typedef {{state: "first" | "same" | "grown" | "fork" | "rollback" | "unknown", note: string, evidence: string}} Seen
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
   * Holds a checkpoint against the last one. `prove(from, to)` gets the hashes of the consistency proof between two
   * sizes. `facts` of the report says what is new; a report that is refused may have `alarm`.
   * @param {string} note
   * @param {(from: bigint, to: bigint) => Promise<Uint8Array[]>} prove
   */
  async see(note, prove) {
    let alarm = null;
    const seen = await report(async (steps) => {
      const { log, quorum } = await trust(steps, this.key, this.options);
      const name = `trust/checkpoint/v1/${log.tenures[0].key.vkey}`;
      await steps.take("there was no alarm before", () => {
        alarm = this.read(name).alarm;
        expect(!alarm, `an alarm stands: ${alarm?.message}`);
      });
      const { checkpoint } = await takeCheckpoint(steps, note, log, quorum);
      return this.follow(steps, { name, log, note, checkpoint, prove }, (raised) => (alarm = raised));
    });
    return { ...seen, alarm };
  }

  /** Forgets the log, with its alarm. */
  async forget() {
    const { facts } = await report((steps) => trust(steps, this.key, {}));
    if (facts) this.store.setItem(`trust/checkpoint/v1/${facts.log.tenures[0].key.vkey}`, "");
  }

  async follow(steps, shown, raise) {
    for (;;) {
      const before = this.store.getItem(shown.name);
      const held = this.read(shown.name).note;
      try {
        const state = await steps.take("it is the log that you saw before, further on", (told) => compare(held, shown, told));
        if (this.store.getItem(shown.name) !== before) continue; // another page was faster: once more, against what it saw
        if (state !== "same") this.store.setItem(shown.name, JSON.stringify({ note: shown.note, alarm: null }));
        return { state, checkpoint: shown.checkpoint };
      } catch (error) {
        if (error instanceof Alarm) {
          const { state, message, notes, evidence } = error;
          raise({ state, message, notes, evidence });
          this.store.setItem(shown.name, JSON.stringify({ note: held, alarm: { state, message, notes, evidence } }));
        }
        throw error;
      }
    }
  }

  read(name) {
    const text = this.store.getItem(name);
    return text ? JSON.parse(text) : { note: null, alarm: null };
  }
}

/** How a checkpoint follows the one that is held: first, same or grown; throws an `Alarm`. */
async function compare(held, { note, checkpoint, log, prove }, told) {
  if (held === null) {
    told.detail = `the first that is seen: ${checkpoint.size} entries`;
    return "first";
  }
  const last = await openCheckpoint(held, log);
  const sizes = `${last.size} entries before, ${checkpoint.size} now`;
  told.detail = sizes;
  if (checkpoint.size < last.size) throw new Alarm("rollback", `ROLLBACK: ${sizes}`, [held, note]);
  if (checkpoint.size === last.size) {
    if (sameBytes(checkpoint.root, last.root)) return "same";
    throw new Alarm("fork", `FORK: two trees of ${last.size} entries`, [held, note], forkEvidence(held, note));
  }
  await checkGrown(held, last, note, checkpoint, await prove(last.size, checkpoint.size));
  return "grown";
}

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
