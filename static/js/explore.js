// The form of the usage page: dates and a named range put each other aside; while an answer is on its way, the
// old one is dimmed.
"use strict";

(() => {
  const form = document.getElementById("ask");
  // Before htmx hears of it, and asks.
  form.addEventListener(
    "change",
    (event) => {
      const { last, from, to } = form.elements;
      if (event.target === last && last.value) from.value = to.value = "";
      if ((event.target === from || event.target === to) && event.target.value) last.value = "";
    },
    true,
  );
  const answer = document.getElementById("answer");
  document.addEventListener("htmx:beforeRequest", () => answer.setAttribute("aria-busy", "true"));
  document.addEventListener("htmx:afterRequest", () => answer.removeAttribute("aria-busy"));
})();
