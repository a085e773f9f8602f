// A page that goes on: when the node says that something has happened the page is asked for again,
// and its parts that differ take the place of those here. Where nobody says it, it is asked for
// every so often; which of both, and that the node is away, stands on the page.
//
// The node writes each page, so nothing is put together here. As a document of XMLHttpRequest what
// it wrote is read without running, and without a string that would be taken for markup.

import { offer } from "./copy.js";

const SOONEST_MS = 2000;
const OFTEN_MS = 15000;
const SELDOM_MS = 60000; // Beside a stream, which may be dead without a word.
const ANSWER_MS = 10000;
const AGAIN_MS = 30000;
const TELL_MS = 10000;
const JITTER_MS = 300;

const WORDS = {
  live: "● live",
  polled: "○ looks every 15 s",
  away: "× the node does not answer",
  other: "× the chain changed: load the page again",
};

const place = document.querySelector("[data-live]");
const told = document.querySelector("[data-told]");
let isOpen = false;
let isAsking = false;
let isWanted = false;
let asked = 0;
let waiting = null;
let toldAt = -TELL_MS;

function state(name) {
  place.dataset.state = name;
  place.textContent = WORDS[name];
  place.hidden = false;
}

const steady = () => state(isOpen ? "live" : "polled");

function soon() {
  isWanted = true;
  if (waiting !== null || isAsking || document.hidden) return;
  const rest = asked + SOONEST_MS - performance.now();
  waiting = setTimeout(ask, Math.max(0, rest) + Math.random() * JITTER_MS);
}

function ask() {
  waiting = null;
  isAsking = true;
  isWanted = false;
  asked = performance.now();
  const request = new XMLHttpRequest();
  request.open("GET", location.pathname + location.search);
  request.setRequestHeader("accept", "text/html");
  request.responseType = "document";
  request.timeout = ANSWER_MS;
  request.addEventListener("loadend", () => {
    isAsking = false;
    if (request.status === 200 && request.response) take(request.response);
    else if (request.status === 404) state("other");
    else state("away");
    if (isWanted) soon();
  });
  request.send();
}

/** Whether somebody is in the midst of this part. */
function isUsed(part) {
  const marked = getSelection();
  return (
    part.contains(document.activeElement) ||
    part.querySelector("details[open]") !== null ||
    (marked !== null && !marked.isCollapsed && part.contains(marked.anchorNode))
  );
}

function take(page) {
  const there = page.querySelector("[data-live]");
  if (there === null || there.dataset.same !== place.dataset.same) {
    state("other");
    return;
  }
  for (const old of document.querySelectorAll("[data-fresh]")) {
    const part = [...page.querySelectorAll("[data-fresh]")].find((one) => one.dataset.fresh === old.dataset.fresh);
    if (part === undefined || old.isEqualNode(part) || isUsed(old)) continue;
    mark(old, part);
    old.replaceWith(document.adoptNode(part));
    offer(part);
  }
  announce(there.dataset.height);
  steady();
}

/** Rows that were not there before are shown to be new. */
function mark(old, part) {
  const before = new Set([...old.querySelectorAll("[data-key]")].map((row) => row.dataset.key));
  if (before.size === 0) return;
  for (const row of part.querySelectorAll("[data-key]")) {
    if (!before.has(row.dataset.key)) row.classList.add("new");
  }
}

function announce(height) {
  if (height === place.dataset.height) return;
  place.dataset.height = height;
  if (performance.now() - toldAt < TELL_MS) return;
  told.textContent = `Block ${height}`;
  toldAt = performance.now();
}

function listen(path) {
  const source = new EventSource(path);
  // Between this page's writing and the stream's beginning something may have happened.
  source.addEventListener("start", () => {
    isOpen = true;
    steady();
    soon();
  });
  source.addEventListener("gap", soon);
  source.addEventListener("message", soon);
  source.addEventListener("error", () => {
    isOpen = false;
    steady();
    soon();
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN_MS, path);
  });
}

if (place) {
  steady();
  if (place.dataset.live) listen(place.dataset.live);
  setInterval(() => {
    if (!isOpen || performance.now() - asked >= SELDOM_MS) soon();
  }, OFTEN_MS);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) soon();
  });
}
