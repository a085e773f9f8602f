// Buttons that copy whole ids, and ages that go on.

/** Show the buttons of a part of the page, where there is a clipboard. */
export function offer(part) {
  if (!navigator.clipboard) return;
  for (const button of part.querySelectorAll("[data-copy]")) button.hidden = false;
}

document.addEventListener("click", async ({ target }) => {
  const button = target.closest?.("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Select it";
  }
  setTimeout(() => (button.textContent = "Copy"), 1500);
});

/** A duration as the node writes it. */
export function duration(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const two = (number, one, great, small) => {
    const rest = number % one;
    const whole = Math.floor(number / one);
    return rest ? `${whole} ${great} ${rest} ${small}` : `${whole} ${great}`;
  };
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return two(seconds, 60, "min", "s");
  if (seconds < 86400) return two(Math.floor(seconds / 60), 60, "h", "min");
  return two(Math.floor(seconds / 3600), 24, "d", "h");
}

// By the node's clock, which the page was written by: this machine's may be wrong.
const UNITS = { s: 1000, min: 60000, h: 3600000, d: 86400000 };
const known = new Map();

function parse(text) {
  let sum = 0;
  for (const [, number, unit] of text.matchAll(/(\d+) (s|min|h|d)\b/g)) sum += number * UNITS[unit];
  return sum;
}

function tick() {
  if (document.hidden) return;
  const now = performance.now();
  for (const age of document.querySelectorAll(".age")) {
    const began = age.dataset.age;
    if (!known.has(began)) known.set(began, now - parse(age.textContent));
    age.textContent = `${duration(now - known.get(began))} ago`;
  }
}

offer(document);
tick();
setInterval(tick, 1000);
