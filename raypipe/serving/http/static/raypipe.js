// Sends the forms of a page without leaving it, and puts the answer into the page. Without this
// script the same forms load the page again.
"use strict";

function say(text) {
  const status = document.getElementById("status");
  const line = document.createElement("p");
  line.className = "error";
  line.setAttribute("role", "alert");
  line.textContent = text;
  status.replaceChildren(line);
}

async function send(form) {
  const button = form.querySelector("button");
  const row = form.closest("li");
  const place = row ? [...row.parentElement.children].indexOf(row) : -1;
  button.disabled = true;
  try {
    const answer = await fetch(form.action, {
      method: "POST",
      body: new URLSearchParams(new FormData(form)),
      headers: { Accept: "text/html" },
    });
    if (answer.status === 429) throw new Error("Too fast: wait a second, and try again.");
    if (!answer.ok) throw new Error("This did not work. Nothing has changed; try again.");
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of ["#status", "#content", "nav"]) {
      document.querySelector(part).replaceChildren(...page.querySelector(part).childNodes);
    }
    const rows = document.querySelectorAll(".people > li");
    const next = rows[Math.min(place, rows.length - 1)];
    const target = place >= 0 && next ? next.querySelector("button") : document.querySelector("h1");
    if (target.tagName === "H1") target.tabIndex = -1;
    target.focus();
  } catch (error) {
    button.disabled = false;
    button.focus();
    const known = error instanceof TypeError ? "The server does not answer, so this may not have been stored. Try again." : error.message;
    say(known);
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || !form.action.includes("/accounts/")) return;
  event.preventDefault();
  send(form);
});
