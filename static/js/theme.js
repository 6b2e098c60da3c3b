// Light and dark. The system's choice holds until the person picks the other one; the pick is kept in this
// browser. Loaded in <head> without defer, so that the first paint already has the right colours.
"use strict";

(() => {
  const KEY = "theme";
  const root = document.documentElement;
  const systemIsDark = window.matchMedia("(prefers-color-scheme: dark)");

  const system = () => (systemIsDark.matches ? "dark" : "light");
  const current = () => root.dataset.theme || system();

  // Storage may be forbidden in this browser: the theme then lasts as long as the page.
  const remembered = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  };
  const remember = (theme) => {
    try {
      if (theme) localStorage.setItem(KEY, theme);
      else localStorage.removeItem(KEY);
    } catch {
      return;
    }
  };

  const apply = (theme) => {
    if (theme === "dark" || theme === "light") root.dataset.theme = theme;
    else delete root.dataset.theme;
  };

  apply(remembered());

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme-toggle");
    const label = document.getElementById("theme-toggle-label");
    if (!button || !label) return;

    const other = () => (current() === "dark" ? "light" : "dark");
    const describe = () => {
      label.textContent = `Switch to ${other()} theme`;
      button.title = label.textContent;
    };
    button.addEventListener("click", () => {
      // Picking what the system says anyway means following the system again.
      const picked = other() === system() ? null : other();
      apply(picked);
      remember(picked);
      describe();
    });
    systemIsDark.addEventListener("change", describe);
    describe();
    button.hidden = false;
  });
})();
