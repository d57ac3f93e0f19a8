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

  // Home and End go to the first and the last row, Delete asks whether to delete.
  document.addEventListener("keydown", (event) => {
    const row = event.target instanceof HTMLAnchorElement ? event.target.closest("tbody tr") : null;
    if (!row || event.ctrlKey || event.altKey || event.metaKey) return;
    const links = row.parentElement.querySelectorAll("tr th a");
    const goal = { Home: links[0], End: links[links.length - 1] }[event.key];
    if (goal) {
      event.preventDefault();
      goal.focus();
    } else if (event.key === "Delete") row.querySelector("a[href$='/delete']")?.click();
  });

  // Single keys, outside of fields and as long as they are not turned off (WCAG 2.1.4).
  const keys = document.getElementById("keys");
  const areOn = document.getElementById("keys-on");
  const OFF = "single-keys-off";
  if (keys && areOn) {
    areOn.checked = localStorage.getItem(OFF) === null;
    areOn.addEventListener("change", () => {
      if (areOn.checked) localStorage.removeItem(OFF);
      else localStorage.setItem(OFF, "1");
    });
    const opener = document.getElementById("keys-open");
    opener.hidden = false;
    opener.addEventListener("click", () => keys.showModal());
    const actions = {
      "/": () => main.querySelector("input[type=search], form[method=get] input[type=text]")?.focus(),
      n: () => main.querySelector(".head a[href$='/new']")?.click(),
      r: () => location.reload(),
      "?": () => keys.showModal(),
    };
    document.addEventListener("keydown", (event) => {
      if (!areOn.checked || event.ctrlKey || event.altKey || event.metaKey || event.isComposing || keys.open) return;
      if (event.target instanceof Element && event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select")) return;
      const action = actions[event.key.toLowerCase()];
      if (!action) return;
      event.preventDefault();
      action();
    });
  }

  if (!main?.dataset.liveWord) return;
  const head = main.querySelector(".head .actions");
  const status = document.createElement("span");
  status.className = "live";
  status.setAttribute("role", "status");
  const shape = document.createElement("span");
  status.append(shape);
  head?.prepend(status);

  // News of a part that somebody uses wait behind this button.
  const waiting = document.createElement("button");
  waiting.type = "button";
  waiting.className = "btn small";
  waiting.hidden = true;
  status.after(waiting);
  const changedRows = (part, news) => {
    const now = new Set([...part.querySelectorAll("tbody tr")].map((row) => row.innerHTML));
    return [...news.querySelectorAll("tbody tr")].filter((row) => !now.has(row.innerHTML)).length;
  };

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
      const later = [];
      let changed = 0;
      for (const part of main.querySelectorAll("[data-live][id]")) {
        const news = fresh.getElementById(part.id);
        if (!news || news.innerHTML === part.innerHTML) continue;
        if (isInUse(part)) {
          due = true;
          changed += changedRows(part, news);
          later.push([part, news]);
        } else part.replaceChildren(...news.childNodes);
      }
      waiting.hidden = changed === 0;
      waiting.textContent = main.dataset.changedWord.replace("{0}", changed);
      waiting.onclick = () => {
        for (const [part, news] of later) part.replaceChildren(...news.childNodes);
        waiting.hidden = true;
      };
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
