// On a narrow screen the tabs scroll sideways: begin where one is. Not by scrollIntoView, from where the tab key
// would then go on.
"use strict";

{
  const current = document.querySelector(".tabs [aria-current]");
  const row = current?.closest(".tabs");
  if (row) row.scrollLeft = current.offsetLeft - (row.clientWidth - current.offsetWidth) / 2;
}
