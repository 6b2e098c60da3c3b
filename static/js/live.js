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
  // Without an answer the numbers stand still: say so instead of pretending.
  document.addEventListener("htmx:sendError", () => live?.classList.add("live-off"));
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful) live?.classList.remove("live-off");
  });
})();
