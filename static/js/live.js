// What moves on the page by itself, with htmx. Nothing is asked for while nobody looks; what one has opened or
// is at stays so when a part is replaced.
"use strict";

(() => {
  const opened = new Set();
  let popover = null;

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden && event.detail.requestConfig.triggeringEvent === undefined) event.preventDefault();
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    opened.clear();
    for (const details of event.detail.target.querySelectorAll("details[open][id]")) opened.add(details.id);
    popover = event.detail.target.querySelector("[popover]:popover-open")?.id ?? null;
  });
  document.addEventListener("htmx:afterSettle", () => {
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
    opened.clear();
    if (popover) document.getElementById(popover)?.showPopover();
    popover = null;
  });

  const live = document.getElementById("live");
  if (live) live.hidden = false;
  // Without a good answer the numbers stand still: say so instead of pretending.
  document.addEventListener("htmx:afterRequest", (event) => {
    const word = document.getElementById("live-word");
    const isOff = !event.detail.successful;
    if (!live || live.classList.toggle("live-off", isOff) === (word.textContent !== "Live")) return;
    word.textContent = isOff ? "Not live: no answer" : "Live";
  });
})();
