// The first page goes on: it asks the node again when the node says that something has happened,
// or every so often where nobody says it.

const SOONEST_MS = 2000;
const OFTEN_MS = 15000;
const TELL_MS = 10000;

const board = document.querySelector("[data-live]");
const rows = document.querySelector("[data-blocks]");
const told = document.querySelector("[data-told]");
let shown = Number(document.querySelector("[data-text=height]")?.textContent.replaceAll(",", ""));
let asked = 0;
let waiting = null;
let toldAt = -TELL_MS;
let isAsking = false;

function soon() {
  if (waiting !== null || document.hidden) return;
  waiting = setTimeout(ask, Math.max(0, asked + SOONEST_MS - performance.now()));
}

async function ask() {
  waiting = null;
  if (isAsking) return;
  isAsking = true;
  asked = performance.now();
  try {
    const answer = await fetch("/live.json", { credentials: "omit", cache: "no-store" });
    if (answer.ok) show(await answer.json());
  } catch {
    // The node is away; what is shown was true.
  } finally {
    isAsking = false;
  }
}

function show(news) {
  for (const [name, text] of Object.entries(news.texts)) {
    for (const place of board.querySelectorAll("[data-text]")) {
      if (place.dataset.text === name && place.textContent !== text) place.textContent = text;
    }
  }
  const isNew = news.height !== shown;
  const tip = news.blocks[0];
  if (tip) {
    const age = board.querySelector(".age");
    age.dataset.age = tip.time_ms;
    age.textContent = `${news.texts["tip-age"]} ago`;
  }
  if (isNew && rows) {
    const focused = rows.contains(document.activeElement);
    if (!focused) rows.replaceChildren(...news.blocks.map((one) => row(one, one.height > shown)));
  }
  if (isNew && performance.now() - toldAt >= TELL_MS) {
    told.textContent = `Block ${news.texts.height}`;
    toldAt = performance.now();
  }
  if (isNew) shown = news.height;
}

function row(block, isNew) {
  const line = document.createElement("tr");
  if (isNew) line.className = "new";
  const age = document.createElement("span");
  age.className = "age";
  age.dataset.age = block.time_ms;
  age.textContent = old(block.time_ms) ?? "0 s ago";
  const time = document.createElement("time");
  time.dateTime = `${block.moment.replace(" ", "T")}Z`;
  time.textContent = block.moment;
  line.append(
    cell("num", link("", `/block/${block.height}`, block.height.toLocaleString("en-US"))),
    cell("", age),
    cell("wide", time),
    cell("", link("id", `/block/${block.hash}`, block.hash)),
    cell("mid", block.payee ? link("id", `/address/${block.payee}`, block.payee) : "nobody"),
    cell("num mid", String(block.tier)),
    cell("num", String(block.transactions)),
    cell("num mid", String(block.call_groups)),
    cell("num wide", block.size),
  );
  return line;
}

/** What stood there for a block that was shown before. */
function old(timeMs) {
  for (const age of document.querySelectorAll(".age")) {
    if (age.dataset.age === String(timeMs)) return age.textContent;
  }
  return null;
}

function cell(name, content) {
  const made = document.createElement("td");
  if (name) made.className = name;
  made.append(content);
  return made;
}

function link(name, path, text) {
  const made = document.createElement("a");
  if (name) made.className = name;
  made.href = path;
  made.textContent = text;
  if (name === "id") made.title = text;
  return made;
}

function listen(path) {
  const source = new EventSource(path);
  for (const topic of ["block", "undone", "tx_in"]) source.addEventListener(topic, soon);
  source.addEventListener("message", soon);
}

if (board) {
  if (board.dataset.events) listen(board.dataset.events);
  setInterval(soon, OFTEN_MS);
  document.addEventListener("visibilitychange", soon);
}
