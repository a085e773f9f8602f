// Reads a receipt and has a worker check it: the file is sent nowhere. Whose word says which blocks
// the chain has is chosen beside it; a node that is chosen hears one height, and no more.

import { visible } from "./visible.js";

const MOST_BYTES = 4 * 1024 * 1024;
const MOST_MS = 10000;
const NEAR = 6; // Blocks that a signer's tip may differ from the reader's.
const SIGNS = { ok: "●", fail: "×", open: "○", absent: "–" };
const KINDS = { ok: "ok", fail: "bad", open: "warn", absent: "none" };
const NODE = "this node's word";
const GIVEN = "the block that you gave";

// A browser has no tokenizer; chain and paid are further than that the model gives the answer.
const NOT_NEEDED = new Set(["text", "chain", "paid"]);

const form = document.querySelector("[data-check]");
const drop = form?.querySelector("[data-drop]");
const input = form?.querySelector("input[type=file]");
const verdict = document.querySelector("[data-verdict]");
const more = document.querySelector("[data-more]");
const links = document.querySelector("[data-links]");
const policy = globalThis.trustedTypes?.createPolicy("esper-worker", {
  createScriptURL: (path) => path,
});
const WORKER = "/static/receipt_worker.js";
let chosen = null;
let turn = 0;
let stop = () => {};

class CheckError extends Error {}

function tell(words, kind) {
  verdict.className = `verdict ${kind}`;
  verdict.textContent = words;
}

/** What the verifier says; ``tip``: a block that somebody vouches for. Throws CheckError. */
function judged(receipt, tip) {
  return new Promise((say, fail) => {
    const worker = new Worker(policy ? policy.createScriptURL(WORKER) : WORKER, { type: "module" });
    const end = (done, value) => {
      clearTimeout(timer);
      worker.terminate();
      done(value);
    };
    const broken = (words) => end(fail, new CheckError(words));
    const timer = setTimeout(() => broken("The check took more than 10 s and was ended."), MOST_MS);
    stop = () => broken("");
    worker.addEventListener("error", () => broken("The check broke off."));
    worker.addEventListener("messageerror", () => broken("The check broke off."));
    worker.addEventListener("message", ({ data }) => {
      if (typeof data?.failure === "string") broken(visible(data.failure));
      else if (data?.verdict) end(say, data.verdict);
      else broken("The check broke off.");
    });
    worker.postMessage({ receipt, tip });
  });
}

const found = (links, name) => links.find((link) => link.name === name);

/** The height that an anchor has, where somebody's word for it is all that is missing. */
function wanted({ links }) {
  const link = found(links, "chain");
  const [, height] = /^compare --tip (\d{1,10}):/.exec(link?.status === "open" ? link.detail : "") ?? [];
  return height === undefined ? null : Number(height);
}

/** Where a receipt is a promise alone: the height that its signer gave. */
function promised({ links }) {
  const link = found(links, "instant");
  if (link?.status !== "ok" || found(links, "proof")?.status !== "absent") return null;
  const [, height] = /evidence from height (\d{1,10}) /.exec(link.detail) ?? [];
  return height === undefined ? null : Number(height);
}

/** What the node says of a height: {tip, block: {height, id} or null}. Throws CheckError. */
async function asked(height) {
  try {
    const reply = await fetch(`/block-id.json?height=${height}`, { credentials: "omit", cache: "no-store" });
    if (!reply.ok) throw new TypeError(String(reply.status));
    const { tip, hash } = await reply.json();
    return { tip, block: typeof hash === "string" ? { height, id: hash } : null };
  } catch {
    throw new CheckError("This node did not answer.");
  }
}

/** The block in the field, null for none. */
function given() {
  const [, height, id] = /^\s*(\d{1,9}):([0-9a-fA-F]{128})\s*$/.exec(form.tip.value) ?? [];
  return id === undefined ? null : { height: Number(height), id: id.toLowerCase() };
}

function far(height, tip) {
  if (height === null || Math.abs(height - tip) <= NEAR) return "";
  const side = height < tip ? "before" : "after";
  return (
    `The promise is of height ${height}, ${Math.abs(height - tip)} blocks ${side} the tip ${tip}: if it was ` +
    "just made, its height is false and it may be evidence at another time alone."
  );
}

/** A verdict by the word that is chosen, and what is to be said beside it. Throws CheckError. */
async function checked(receipt) {
  const whose = form.whose.value;
  if (whose === "given") {
    const block = given();
    if (block === null) {
      const words = "A block is written HEIGHT:ID, with an id of 128 hexadecimal digits.";
      return { said: await judged(receipt), words, by: "" };
    }
    const said = await judged(receipt, { ...block, whose: GIVEN });
    const height = wanted(said);
    const words = height === null ? far(promised(said), block.height) : `The anchor is block ${height}: give that one.`;
    return { said, words, by: GIVEN };
  }
  const said = await judged(receipt);
  const [height, signed] = [wanted(said), promised(said)];
  if (whose !== "node") {
    const words = height === null ? "" : "Whether the chain holds it is somebody's word: choose above whose you take.";
    return { said, words, by: "" };
  }
  if (height === null && signed === null) return { said, words: "", by: NODE };
  try {
    const { tip, block } = await asked(height ?? signed);
    if (height === null) return { said, words: far(signed, tip), by: NODE };
    if (block === null) return { said, words: `This node has no block ${height}: its tip is ${tip}.`, by: NODE };
    return { said: await judged(receipt, { ...block, whose: NODE }), words: "", by: NODE };
  } catch (error) {
    if (!(error instanceof CheckError)) throw error;
    return { said, words: error.message, by: NODE };
  }
}

async function check() {
  const mine = ++turn;
  stop();
  links.hidden = more.hidden = true;
  if (chosen === null) return;
  if (chosen.size > MOST_BYTES) {
    tell(`${SIGNS.fail} The file is larger than 4 MiB: no receipt is.`, "bad");
    return;
  }
  tell("Checking …", "");
  let receipt;
  try {
    receipt = await chosen.arrayBuffer();
  } catch {
    if (mine === turn) tell(`${SIGNS.fail} The file cannot be read.`, "bad");
    return;
  }
  try {
    const done = await checked(receipt);
    if (mine === turn) show(done);
  } catch (error) {
    if (mine === turn) tell(`${SIGNS.fail} ${error instanceof CheckError ? error.message : "The check broke off."}`, "bad");
  }
}

function isProven(links) {
  return links.every(
    ({ name, status }) =>
      status === "ok" ||
      (status === "open" && NOT_NEEDED.has(name)) ||
      (status === "absent" && name === "instant"),
  );
}

/** Sign and kind of a verdict, and its sentence. */
function sentence({ exit, links }, by) {
  const broken = links.find(({ status }) => status === "fail");
  if (broken) return ["fail", "bad", `This receipt does not hold: ${visible(String(broken.name))} fails.`];
  if (exit !== 0 && exit !== 3) return ["fail", "bad", "This is no receipt."];
  if (isProven(links)) {
    const holds = found(links, "chain")?.status === "ok" ? `shown, by ${by}` : "not shown";
    const words = `The model gives this answer: proven. That the chain holds it: ${holds}. Text was not compared.`;
    return ["ok", "ok", words];
  }
  if (found(links, "proof")?.status === "absent") return ["open", "warn", "A gateway signed this answer: not proven."];
  return ["open", "warn", "Nothing is wrong as far as it was checked, and something is open."];
}

function show({ said, words, by }) {
  const [sign, kind, told] = sentence(said, by);
  tell(`${SIGNS[sign]} ${told}`, kind);
  more.textContent = words;
  more.hidden = words === "";
  const rows = said.links.map(({ name, status, detail }) => {
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

function choose(files) {
  if (!files.length) return;
  chosen = files[0];
  check();
}

if (form) {
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", ({ target }) => {
    if (target === input) choose(input.files);
    else if (form.whose.value === "given" && form.tip.value === "") form.tip.focus();
    else check();
  });
  // Whoever writes a block means that block.
  form.tip.addEventListener("focus", () => {
    form.whose.value = "given";
  });
  drop.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    choose(event.dataTransfer.files);
  });
}
