// Shows what the account that is signed in has used, day by day.

import { visible } from "./visible.js";

const told = document.querySelector("[data-told]");
const used = document.querySelector("[data-used]");
const FIELDS = ["requests", "prompt_tokens", "answer_tokens", "serve", "proof"];

const counted = (number) => Number(number).toLocaleString("en");

function row(day) {
  const line = document.createElement("tr");
  const name = document.createElement("th");
  name.scope = "row";
  name.textContent = visible(String(day.day));
  line.append(name);
  for (const field of FIELDS) {
    const cell = document.createElement("td");
    cell.className = "num";
    cell.textContent = counted(day[field]);
    line.append(cell);
  }
  return line;
}

async function show() {
  const reply = await fetch("/v1/usage?days=30");
  if (reply.status === 404) told.textContent = "This node has no gateway: its operator starts one with gateway = on.";
  // Without a sign-in the note of the page says what to do.
  if (!reply.ok) return;
  const { data, budget } = await reply.json();
  const ends = new Date(1000 * budget.ends).toISOString().replace("T", " ").slice(0, 16);
  document.querySelector("[data-budget]").textContent =
    `${counted(budget.spent)} µcredits spent and ${counted(budget.reserved)} reserved of ` +
    `${counted(budget.limit)}, until ${ends} UTC.`;
  document.querySelector("[data-days]").replaceChildren(...data.toReversed().map(row));
  told.textContent = data.length ? "The last 30 days." : "Nothing was asked in the last 30 days.";
  used.hidden = false;
}

show().catch(() => {
  told.textContent = "The node did not answer: load the page again.";
});
