// Reads a receipt and has a worker check it: nothing is sent anywhere.

import { visible } from "./visible.js";

const MOST_BYTES = 4 * 1024 * 1024;
const MOST_MS = 10000;
const WORDS = {
  0: "The model gives this answer: proven. Text was not compared.",
  1: "This receipt does not hold.",
  2: "This is no receipt.",
  3: "Nothing is wrong as far as it was checked, and something is open.",
};
const SIGNS = { ok: "●", fail: "×", open: "○", absent: "–" };
const KINDS = { ok: "ok", fail: "bad", open: "warn", absent: "none" };

// A browser has no tokenizer, and knows no block to compare the anchor with.
const NOT_HERE = new Set(["text", "chain", "paid"]);

const drop = document.querySelector("[data-drop]");
const input = drop?.querySelector("input");
const verdict = document.querySelector("[data-verdict]");
const links = document.querySelector("[data-links]");
const policy = globalThis.trustedTypes?.createPolicy("esper-worker", {
  createScriptURL: (path) => path,
});
const WORKER = "/static/receipt_worker.js";
let working = null;

function tell(words, kind) {
  verdict.className = `verdict ${kind}`;
  verdict.textContent = words;
}

function end() {
  working?.worker.terminate();
  clearTimeout(working?.timer);
  working = null;
}

async function check(file) {
  end();
  links.hidden = true;
  if (file.size > MOST_BYTES) {
    tell(`${SIGNS.fail} The file is larger than 4 MiB: no receipt is.`, "bad");
    return;
  }
  tell("Checking …", "");
  let receipt;
  try {
    receipt = await file.arrayBuffer();
  } catch {
    tell(`${SIGNS.fail} The file cannot be read.`, "bad");
    return;
  }
  const worker = new Worker(policy ? policy.createScriptURL(WORKER) : WORKER, { type: "module" });
  const fail = (words) => {
    if (working?.worker !== worker) return;
    end();
    tell(`${SIGNS.fail} ${words}`, "bad");
  };
  const timer = setTimeout(() => fail("The check took more than 10 s and was ended."), MOST_MS);
  working = { worker, timer };
  worker.addEventListener("error", () => fail("The check broke off."));
  worker.addEventListener("messageerror", () => fail("The check broke off."));
  worker.addEventListener("message", ({ data }) => {
    if (working?.worker !== worker) return;
    if (typeof data?.failure === "string") fail(visible(data.failure));
    else if (data?.verdict) {
      end();
      show(data.verdict);
    }
  });
  worker.postMessage({ receipt }, [receipt]);
}

function isProven(found) {
  return found.every(
    ({ name, status }) =>
      status === "ok" ||
      (status === "open" && NOT_HERE.has(name)) ||
      (status === "absent" && name === "instant"),
  );
}

function show({ exit, links: found }) {
  const said = exit === 3 && isProven(found) ? 0 : exit;
  const bad = said === 1 || said === 2;
  const sign = said === 0 ? SIGNS.ok : bad ? SIGNS.fail : SIGNS.open;
  tell(`${sign} ${WORDS[said] ?? WORDS[1]}`, said === 0 ? "ok" : bad ? "bad" : "warn");
  const rows = found.map(({ name, status, detail }) => {
    const line = document.createElement("tr");
    const mark = document.createElement("span");
    mark.className = `badge ${KINDS[status] ?? "bad"}`;
    mark.textContent = `${SIGNS[status] ?? "×"} ${visible(String(status))}`;
    for (const content of [visible(String(name)), mark, visible(String(detail ?? ""))]) {
      const cell = document.createElement("td");
      cell.append(content);
      line.append(cell);
    }
    return line;
  });
  links.querySelector("tbody").replaceChildren(...rows);
  links.hidden = rows.length === 0;
}

if (drop) {
  drop.hidden = false;
  input.addEventListener("change", () => input.files.length && check(input.files[0]));
  drop.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files.length) check(event.dataTransfer.files[0]);
  });
}
