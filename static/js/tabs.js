// On a narrow screen the tabs scroll sideways: begin where one is.
"use strict";

document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
