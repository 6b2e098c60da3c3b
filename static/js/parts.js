// Beside htmx: who is led elsewhere when a part is asked for, as to logging in once the session is over, is led
// there with the whole page.
"use strict";

document.addEventListener("htmx:beforeSwap", (event) => {
  const { finalRequestPath, responsePath } = event.detail.pathInfo;
  const [asked, answered] = [finalRequestPath, responsePath].map((path) => path.split("?")[0]);
  if (asked === answered) return;
  event.detail.shouldSwap = false;
  location.reload();
});
