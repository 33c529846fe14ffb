// What a page gains where a script runs: times in the reader's zone, due dates that count down, new entries as they
// come, and proofs that are computed here. Text is only ever set as text.
import { judge, prove, trusted } from "./verify.js";

const MAX_SHOWN = 20_000;

const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", timeZoneName: "short" });
const left = (ms) => {
  const s = Math.max(0, Math.round(ms / 1000));
  return s < 120 ? `${s} s` : s < 7200 ? `${Math.round(s / 60)} min` : s < 172800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} d`;
};

function addZones(root) {
  for (const time of root.querySelectorAll("time:not([data-told])")) {
    time.dataset.told = "";
    time.title = local.format(new Date(time.dateTime));
    if (!time.closest("table, .timeline, .ends")) {
      const zone = document.createElement("span");
      zone.className = "zone";
      zone.textContent = ` ${clock.format(new Date(time.dateTime))} here`;
      time.after(zone);
    }
  }
}

function countDown() {
  for (const due of document.querySelectorAll("[data-due]")) {
    const time = due.querySelector("time");
    if (!time) continue;
    let told = due.querySelector(".left");
    if (!told) {
      told = document.createElement("span");
      told.className = "left";
      due.append(told);
    }
    const ms = new Date(time.dateTime) - Date.now();
    told.textContent = ms > 0 ? `, in ${left(ms)}` : ", which has passed";
  }
}

async function renew(main) {
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!answer.ok) return;
  const found = new DOMParser().parseFromString(await answer.text(), "text/html");
  const open = [...main.querySelectorAll("details")].map((each) => each.open);
  const focused = main.contains(document.activeElement);
  if (focused || main.querySelector(".steps li")) return; // the reader is at work here
  const fresh = found.querySelector("main");
  if (!fresh) return;
  main.replaceChildren(...fresh.childNodes);
  [...main.querySelectorAll("details")].forEach((each, at) => { each.open = open[at] ?? each.open; });
  prepare(main);
}

function follow(main) {
  const note = main.querySelector("#live-note");
  if (note) note.textContent = "New entries appear here as they come.";
  const query = main.dataset.live;
  const stream = new EventSource(`/v1/events?as=message${query ? `&${query}` : ""}`);
  let waiting = 0;
  stream.onmessage = () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => renew(main).catch(() => {}), 400);
  };
  addEventListener("pagehide", () => stream.close());
}

function readable(bytes) {
  const shown = bytes.subarray(0, MAX_SHOWN), more = bytes.length > MAX_SHOWN ? `\n... ${bytes.length - MAX_SHOWN} bytes more` : "";
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(shown, { stream: more !== "" }) + more;
  } catch {
    return Array.from(shown, (byte) => byte.toString(16).padStart(2, "0")).join("") + more;
  }
}

function tell(list, { step, ok, detail, bytes, verdict }) {
  const item = document.createElement("li");
  item.className = ok ? "held" : "failed";
  if (verdict) item.dataset.verdict = verdict;
  item.textContent = `${ok ? "holds" : "DOES NOT HOLD"}: ${step}${detail ? ` (${detail})` : ""}`;
  if (bytes) {
    const whole = document.createElement("details"), summary = document.createElement("summary"), text = document.createElement("pre");
    summary.textContent = `${bytes.length} bytes`;
    text.textContent = readable(bytes);
    whole.append(summary, text);
    item.append(whole);
  }
  list.append(item);
}

function prepareProof(section) {
  section.hidden = false;
  const form = section.querySelector("form"), list = section.querySelector(".steps"), button = form.querySelector("button");
  const [vkey, witnesses, files] = ["vkey", "witnesses", "files"].map((name) => form.elements.namedItem(name));
  [vkey.value, witnesses.value] = [trusted().vkey, trusted().witnesses];
  const run = async (...proofs) => {
    list.replaceChildren();
    button.disabled = true;
    try {
      for (const proof of proofs) for await (const each of proof(vkey.value.trim(), witnesses.value.trim())) tell(list, each);
    } catch (error) {
      tell(list, { step: "the proof could be computed", ok: false, detail: String(error.message ?? error), verdict: "unknown" });
    } finally {
      button.disabled = false;
    }
  };
  const take = (dropped) => run(...Array.from(dropped, (file) => (...trust) => judge(file, ...trust)));
  form.onsubmit = (event) => {
    event.preventDefault();
    run((...trust) => prove(section.dataset.verify.split(",").map(Number), ...trust));
  };
  files.onchange = () => take(files.files).finally(() => { files.value = ""; });
  document.ondragover = (event) => event.preventDefault();
  document.ondrop = (event) => {
    event.preventDefault();
    section.scrollIntoView();
    take(event.dataTransfer.files);
  };
}

function prepare(root) {
  addZones(root);
  for (const section of root.querySelectorAll("[data-verify]")) prepareProof(section);
  countDown();
}

prepare(document);
setInterval(countDown, 1000);
const main = document.querySelector("main[data-live]");
if (main) follow(main);
