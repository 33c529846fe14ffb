// What a verification found: the steps it took, one by one, so that a page can show each with its bytes.

/** What was shown does not hold: do not act on it, and keep it, it may be evidence. */
export class NotProven extends Error {}

/** Nothing can be said here, for or against: a newer format, or a browser without the means. */
export class CannotSay extends Error {}

/**
 * @typedef {{step: string, ok: boolean, detail: string, bytes?: Uint8Array}} Step
 * @typedef {{verdict: "proven" | "refused" | "unknown", ok: boolean, reason: string, steps: Step[], facts: any}} Report
 */

/** The steps of one verification, in order. The first that does not hold is the last. */
export class Steps {
  /** @type {Step[]} */
  list = [];

  /**
   * Runs one check and notes it. The check gets the step to say more of it: `told.detail`, `told.bytes`.
   * @template T
   * @param {string} step
   * @param {(told: Step) => T | Promise<T>} check
   * @returns {Promise<T>}
   */
  async take(step, check) {
    /** @type {Step} */
    const told = { step, ok: false, detail: "" };
    this.list.push(told);
    try {
      const value = await check(told);
      told.ok = true;
      return value;
    } catch (error) {
      told.detail = error.message;
      throw error;
    }
  }
}

/**
 * The report of a verification; bad input never throws. `facts` is what is proven, null where nothing is.
 * @param {(steps: Steps) => Promise<any>} verify
 * @returns {Promise<Report>}
 */
export async function report(verify) {
  const steps = new Steps();
  try {
    const facts = await verify(steps);
    return { verdict: "proven", ok: true, reason: "", steps: steps.list, facts };
  } catch (error) {
    const verdict = error instanceof NotProven ? "refused" : "unknown";
    if (steps.list.at(-1)?.ok ?? true) steps.list.push({ step: "the file is what it must be", ok: false, detail: String(error.message) });
    return { verdict, ok: false, reason: String(error.message), steps: steps.list, facts: null };
  }
}

/** Throws `NotProven` in these words unless a condition holds. */
export function expect(condition, message) {
  if (!condition) throw new NotProven(message);
}

/** What somebody else wrote, as a part of a message: quoted, and at most 60 characters of it. */
export const quoted = (text) => JSON.stringify(String(text).slice(0, 60));
