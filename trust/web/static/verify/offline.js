// The page that verifies dropped files with the reader's own key. It asks nobody, and shows what it read as text only.
import { verifyFile } from "./file.js";
import { follow } from "./rotations.js";

const MAX_SHOWN = 20_000;
const MAX_FILE = 256 * 1024 * 1024;
const VERDICTS = { proven: "Proven", refused: "REFUSED: do not act on it, and keep the file", unknown: "Nothing can be said" };
const NAMES = {
  receipt: "a receipt", batch: "a batch of receipts", refusal: "a refusal", checkpoint: "a checkpoint", bundle: "a bundle",
  scores: "a file of scores", fork: "evidence of a fork", denial: "evidence of a refusal", "": "not a file of this protocol",
};

const part = (id) => document.getElementById(id);

/** An element with a text, or with elements, in it. */
function made(tag, content, attributes = {}) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (Array.isArray(content)) element.append(...content);
  else element.textContent = content;
  return element;
}

/** Bytes for people: as text where they are UTF-8, else in hexadecimal; cut where they are long. */
function readable(bytes) {
  const shown = bytes.subarray(0, MAX_SHOWN);
  const more = bytes.length > MAX_SHOWN ? `\n... ${bytes.length - MAX_SHOWN} bytes more` : "";
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(shown, { stream: more !== "" }) + more;
  } catch {
    return Array.from(shown, (byte) => byte.toString(16).padStart(2, "0")).join("") + more;
  }
}

function plain(name, value) {
  if (typeof value === "bigint") return String(value);
  if (value instanceof Uint8Array) return readable(value);
  return value;
}

function shownStep({ step, ok, detail, bytes }) {
  const parts = [made("strong", ok ? "holds: " : "DOES NOT HOLD: "), made("span", step), made("div", detail, { class: "detail" })];
  if (bytes) parts.push(made("details", [made("summary", `${bytes.length} bytes`), made("pre", readable(bytes), { tabindex: "0" })]));
  return made("li", parts, { class: ok ? "good" : "bad" });
}

function shownReport(name, { kind, verdict, reason, steps, facts }) {
  const parts = [made("h2", `${VERDICTS[verdict]}: ${name}`), made("p", `It is ${NAMES[kind]}. ${reason}`), made("ol", steps.map(shownStep))];
  if (facts) {
    const text = JSON.stringify(facts, plain, 1).slice(0, 10 * MAX_SHOWN);
    parts.push(made("details", [made("summary", "What is proven"), made("pre", text, { tabindex: "0" })]));
  }
  return made("section", parts, { class: verdict, "data-verdict": verdict, "data-kind": kind });
}

const bytesOf = async (file) => {
  if (file.size > MAX_FILE) throw new Error(`${file.size} bytes are more than this page reads`);
  return new Uint8Array(await file.arrayBuffer());
};

/** The key that the reader pasted, with those after it where receipts of its changes were given. */
async function trustedKey() {
  const vkey = part("key").value.trim();
  const rotations = await Promise.all(Array.from(part("rotations").files, bytesOf));
  const followed = await follow(vkey, rotations);
  return followed.ok ? { key: followed.facts } : { failed: followed };
}

async function judged(file) {
  try {
    const { key, failed } = await trustedKey();
    if (failed) return shownReport("the key that you gave", { kind: "", ...failed });
    const quorum = part("witnesses").value.trim() || undefined;
    return shownReport(file.name, await verifyFile(await bytesOf(file), key, { quorum }));
  } catch (error) {
    return shownReport(file.name, { kind: "", verdict: "unknown", reason: error.message, steps: [], facts: null });
  }
}

async function take(files) {
  for (const file of files) part("results").prepend(await judged(file));
}

part("files").addEventListener("change", async (event) => {
  await take(Array.from(event.target.files));
  event.target.value = "";
});
for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault());
document.addEventListener("drop", (event) => take(Array.from(event.dataTransfer.files)));
