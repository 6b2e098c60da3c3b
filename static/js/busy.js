// Buttons with data-busy="<words>" say those words from the moment they send their form until the page changes.
"use strict";

for (const button of document.querySelectorAll("[data-busy]")) {
  const label = button.textContent;
  const rest = () => {
    button.disabled = false;
    button.removeAttribute("aria-busy");
    button.textContent = label;
  };
  button.form?.addEventListener("submit", (event) => {
    if (event.submitter !== button) return;
    button.setAttribute("aria-busy", "true");
    button.textContent = button.dataset.busy;
    // Only after the form was put together: what is disabled is not sent.
    setTimeout(() => (button.disabled = true));
  });
  // Whoever comes back finds the page as it was left.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) rest();
  });
}
