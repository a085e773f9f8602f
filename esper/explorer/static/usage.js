// Shows what the account that is signed in has used, day by day.

import { visible } from "./visible.js";

const told = document.querySelector("[data-told]");
const used = document.querySelector("[data-used]");
const FIELDS = ["requests", "prompt_tokens", "answer_tokens", "serve", "proof"];
// On a narrow screen there is no head, and each number says what it is.
const NAMES = [...document.querySelectorAll("thead th")].slice(1).map((head) => head.textContent);

const counted = (number) => Number(number).toLocaleString("en");

function row(day) {
  const line = document.createElement("tr");
  const name = document.createElement("th");
  name.scope = "row";
  name.textContent = visible(String(day.day));
  line.append(name);
  for (const [index, field] of FIELDS.entries()) {
    const cell = document.createElement("td");
    cell.className = "num";
    cell.dataset.name = NAMES[index];
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
