// Keeps what a page shows true while it is open, and knows some keys. Pages are complete without it.
"use strict";

(() => {
  const main = document.getElementById("main");

  // Ctrl+Enter sends the form that has the focus by its primary button; Escape leaves by its Cancel.
  document.addEventListener("keydown", (event) => {
    const form = event.target instanceof Element ? event.target.closest("form") : null;
    if (!form || event.isComposing) return;
    if (event.key === "Enter" && event.ctrlKey) form.querySelector("button.primary[type=submit]")?.click();
    if (event.key === "Escape") form.querySelector(".commit a.btn")?.click();
  });

  // Up and down go from row to row by what each row leads to.
  document.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const row = event.target instanceof HTMLAnchorElement ? event.target.closest("tbody tr") : null;
    if (!step || !row) return;
    const rows = [...row.parentElement.rows].filter((other) => other.querySelector("th a"));
    const next = rows[rows.indexOf(row) + step]?.querySelector("th a");
    if (!next) return;
    event.preventDefault();
    next.focus();
  });

  // A double click on a row edits it; on what is a control in it, it does what that does.
  document.addEventListener("dblclick", (event) => {
    if (!(event.target instanceof Element) || event.target.closest("a, button, input, select, label")) return;
    event.target.closest("tbody tr")?.querySelector("a[href$='/edit']")?.click();
  });

  if (!main?.dataset.liveWord) return;
  const head = main.querySelector(".head .actions");
  const status = document.createElement("span");
  status.className = "live";
  status.setAttribute("role", "status");
  const shape = document.createElement("span");
  status.append(shape);
  head?.prepend(status);

  const show = (isLive) => {
    const time = new Date().toISOString().slice(11, 19);
    const word = isLive ? main.dataset.liveWord : `${main.dataset.staleWord} ${time}`;
    if (shape.textContent === word) return;
    shape.className = isLive ? "st st-ok" : "st st-warn";
    shape.textContent = word;
  };

  // What somebody points at or has the focus in stays as it is until they leave it.
  const isInUse = (part) => part.matches(":hover") || part.contains(document.activeElement);
  let due = false;
  let busy = false;
  const refresh = async () => {
    if (busy) return;
    busy = true;
    due = false;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "error" });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of main.querySelectorAll("[data-live][id]")) {
        const news = fresh.getElementById(part.id);
        if (!news || news.innerHTML === part.innerHTML) continue;
        if (isInUse(part)) due = true;
        else part.replaceChildren(...news.childNodes);
      }
    } catch {
      // The events tell when the server is there again.
    } finally {
      busy = false;
    }
  };

  const events = new EventSource("/events");
  const soon = () => { due = true; };
  events.addEventListener("open", () => { show(true); soon(); });
  events.addEventListener("error", () => show(false));
  for (const kind of ["report", "changed", "running"]) events.addEventListener(kind, soon);
  setInterval(() => { if (due) refresh(); }, 1000);
})();
