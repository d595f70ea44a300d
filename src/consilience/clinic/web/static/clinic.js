// Pages work without this script. It shows times as the reader's clock has them, beside UTC,
// and offers to print.
"use strict";
for (const time of document.querySelectorAll("time[datetime]")) {
  const at = new Date(time.dateTime);
  const local = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  if (at.getTimezoneOffset() !== 0) time.textContent = `${local} (${time.textContent})`;
}
for (const button of document.querySelectorAll("button[data-print]")) {
  button.classList.remove("no-script");
  button.addEventListener("click", () => window.print());
}
