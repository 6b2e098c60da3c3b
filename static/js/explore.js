// The form of the usage page: dates and a named range put each other aside; while an answer is on its way, the
// old one is dimmed; and what was chosen last is what is answered.
"use strict";

(() => {
  const form = document.getElementById("ask");
  const answer = document.getElementById("answer");
  let isOvertaken = false;

  // Before htmx hears of it, and asks, or waits with asking until there is an answer.
  form.addEventListener(
    "change",
    (event) => {
      const { last, from, to } = form.elements;
      if (event.target === last && last.value) from.value = to.value = "";
      if ((event.target === from || event.target === to) && event.target.value) last.value = "";
      isOvertaken = answer.hasAttribute("aria-busy");
    },
    true,
  );
  // What was chosen before the scripts were there, nobody has heard of yet.
  document.addEventListener("DOMContentLoaded", () => {
    for (const field of form.querySelectorAll("select, input")) {
      const isChosen = field.selectedOptions
        ? !field.selectedOptions[0]?.defaultSelected
        : field.value !== field.defaultValue || field.checked !== field.defaultChecked;
      if (isChosen) field.dispatchEvent(new Event("change", { bubbles: true }));
    }
  });

  document.addEventListener("htmx:beforeRequest", () => {
    answer.setAttribute("aria-busy", "true");
    isOvertaken = false;
  });
  // The form comes with each answer, and would put back what has been chosen since it was asked for.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (isOvertaken) event.detail.shouldSwap = false;
  });
  document.addEventListener("htmx:afterRequest", () => answer.removeAttribute("aria-busy"));
})();
