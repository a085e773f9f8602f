// Asks a model through the gateway of this node, shows the answer as it comes, and how far it is
// proven. Whoever is signed in has a cookie; this script never sees it.

import { visible } from "./visible.js";

const LOOK_AGAIN_MS = 3000;
const WORDS = {
  instant: "signed, not proven",
  queued: "signed, not proven: waits to be proven",
  signed: "signed, not proven: waits to be proven",
  submitted: "signed, not proven: sent to the chain",
  lane: "signed, not proven: proven in a later block",
  open: "signed, not proven: proven in a later block",
  lapsed: "signed, not proven: it lapsed, and is sent again",
  unproven: "signed, not proven: it will not be proven",
  proven: "proven",
  final: "final",
  reorganised: "reorganised: its block was taken back",
};
const ENDED = new Set(["final", "unproven"]);
const SIGNS = { proven: "●", final: "◆", reorganised: "↶" };

const form = document.querySelector("[data-ask]");
const answer = document.querySelector("[data-answer]");
const said = document.querySelector("[data-said]");
const standing = document.querySelector("[data-standing]");
const stop = document.querySelector("[data-stop]");
const send = form?.querySelector("[type=submit]");
let asking = null;

/** The data of each event of a stream, as they come. */
export async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += value;
    let end;
    while ((end = rest.indexOf("\n\n")) >= 0) {
      const lines = rest.slice(0, end).split("\n");
      rest = rest.slice(end + 2);
      const data = lines.filter((line) => line.startsWith("data: ")).map((line) => line.slice(6));
      if (data.length) yield data.join("\n");
    }
  }
}

function tell(status, more = "") {
  const words = WORDS[status] ?? visible(status);
  standing.textContent = `${SIGNS[status] ?? "○"} ${words}${more && `: ${visible(more)}`}`;
}

async function ask() {
  asking?.abort();
  const mine = (asking = new AbortController());
  const publish = form.publish.checked;
  // Each publication is asked for by itself.
  form.publish.checked = false;
  answer.hidden = false;
  said.textContent = "";
  standing.textContent = "… waiting";
  send.disabled = true;
  stop.disabled = false;
  let text = "";
  let receipt = null;
  try {
    const reply = await fetch("/v1/chat/completions", {
      method: "POST",
      headers: { "content-type": "application/json", "x-esper-page": form.dataset.page ?? "" },
      signal: mine.signal,
      body: JSON.stringify({
        model: form.model.value,
        messages: [{ role: "user", content: form.prompt.value }],
        max_tokens: Number(form.most.value),
        stream: true,
        esper: { prove: publish ? "always" : "never" },
      }),
    });
    if (!reply.ok) {
      const refused = await reply.json().catch(() => null);
      standing.textContent = `× ${visible(refused?.error?.message ?? `The node answered ${reply.status}.`)}`;
      return;
    }
    for await (const data of events(reply.body)) {
      if (data === "[DONE]") break;
      const part = JSON.parse(data);
      if (part.error) throw new Error(part.error.message);
      text += part.choices?.[0]?.delta?.content ?? "";
      said.textContent = visible(text);
      if (part.esper) {
        receipt = part.esper.receipt;
        tell(part.esper.status, part.esper.reason);
      }
    }
  } catch (error) {
    if (!mine.signal.aborted) standing.textContent = `× The answer broke off: ${visible(String(error.message))}`;
    else if (asking === mine) standing.textContent = "× stopped";
    return;
  } finally {
    if (asking === mine) {
      send.disabled = false;
      stop.disabled = true;
    }
  }
  if (receipt && publish) await follow(receipt, mine.signal);
}

/** Show how far it is until nothing changes any more; a stream that breaks is taken up again. */
async function follow(path, signal) {
  if (!/^\/v1\/receipts\/[0-9a-f]{32}$/.test(path)) return;
  for (;;) {
    try {
      const reply = await fetch(`${path}/events`, { signal });
      if (reply.ok) {
        for await (const data of events(reply.body)) {
          const { status, reason } = JSON.parse(data);
          if (typeof status !== "string") continue;
          tell(status, reason);
          if (ENDED.has(status)) return;
        }
      }
    } catch {
      if (signal.aborted) return;
    }
    await new Promise((go) => setTimeout(go, LOOK_AGAIN_MS));
    if (signal.aborted) return;
  }
}

/** Sign in with the code behind the address, which is good once, or go on with the cookie. */
async function signIn() {
  const code = location.hash.slice(1);
  // Neither history nor a bookmark keeps it.
  if (code) history.replaceState(null, "", location.pathname);
  const reply = code
    ? await fetch("/console/login", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ code }),
      })
    : await fetch("/console/session");
  const told = await reply.json().catch(() => null);
  if (reply.ok) return told.page;
  if (reply.status === 404) throw new Error("This node has no gateway: its operator starts one with gateway = on.");
  throw new Error(told?.error?.message ?? `The node answered ${reply.status}.`);
}

async function begin() {
  const note = document.querySelector("[data-signing]");
  try {
    form.dataset.page = await signIn();
  } catch (error) {
    note.textContent = `× ${visible(String(error.message))}`;
    return;
  }
  note.hidden = true;
  form.hidden = false;
}

if (form) {
  begin();
  form.publish.checked = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  stop.addEventListener("click", () => asking?.abort());
}
