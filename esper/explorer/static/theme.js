// Before anything is drawn: the scheme that was chosen here, else the machine's.
"use strict";
(() => {
  const KEY = "theme";
  const root = document.documentElement;
  let kept = null;
  try {
    kept = localStorage.getItem(KEY);
  } catch {
    // Storage is forbidden: the machine's scheme it is.
  }
  if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  const machine = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (machine.matches ? "dark" : "light")) === "dark";

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.querySelector("[data-theme-switch]");
    if (button === null) return;
    const show = () => {
      button.textContent = isDark() ? "Light" : "Dark";
      button.setAttribute("aria-label", isDark() ? "Light colours" : "Dark colours");
    };
    button.hidden = false;
    show();
    machine.addEventListener("change", show);
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      try {
        localStorage.setItem(KEY, root.dataset.theme);
      } catch {
        // It holds for this page.
      }
      show();
      document.dispatchEvent(new Event("esper-theme"));
    });
  });
})();
