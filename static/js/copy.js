// Buttons with data-copy="<id>" put that element's text on the clipboard. Hidden where there is none to use.
"use strict";

if (navigator.clipboard) {
  for (const button of document.querySelectorAll("[data-copy]")) {
    const source = document.getElementById(button.dataset.copy);
    const label = button.textContent;
    button.setAttribute("aria-live", "polite");
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(source.textContent);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Press Ctrl-C";
        window.getSelection().selectAllChildren(source);
      }
      setTimeout(() => (button.textContent = label), 2000);
    });
  }
}
