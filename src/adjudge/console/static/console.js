// What a page of the console does without asking the service: theme, keys, times in the reader's zone.
"use strict";
(() => {
  const root = document.documentElement;
  const kept = () => (document.cookie.match(/(?:^|; )adjudge_theme=(light|dark)/) || [])[1];
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dress = () => {
    root.dataset.theme = kept() || (system.matches ? "dark" : "light");
    if (window.Quasar) Quasar.Dark.set(root.dataset.theme === "dark");
  };
  dress();
  system.addEventListener("change", dress);

  const turn = () => {
    const theme = root.dataset.theme === "dark" ? "light" : "dark";
    document.cookie = `adjudge_theme=${theme}; Path=/console; Max-Age=31536000; SameSite=Strict`;
    dress();
  };
  const help = () => {
    const keys = document.getElementById("keys");
    if (keys) keys.open ? keys.close() : keys.showModal();
  };
  const rows = () => [...document.querySelectorAll("tr[data-row]")].filter((row) => row.querySelector("a[href]"));
  const move = (step) => {
    const all = rows();
    const at = all.findIndex((row) => row.contains(document.activeElement));
    const next = all[Math.min(Math.max(at < 0 ? (step > 0 ? 0 : all.length - 1) : at + step, 0), all.length - 1)];
    if (next) next.querySelector("a[href]").focus();
  };

  document.addEventListener("click", (event) => {
    const does = event.target.closest?.("[data-act]")?.dataset.act;
    if (does === "theme") turn();
    if (does === "help") help();
  });

  let going = 0; // when g was pressed
  document.addEventListener("keydown", (event) => {
    const inside = event.target.closest?.("input, textarea, select, [contenteditable=true], .cm-editor");
    if (event.ctrlKey || event.metaKey || event.altKey || inside) return;
    const key = event.key;
    if (going && Date.now() - going < 1500) {
      going = 0;
      const link = document.querySelector(`a[data-go="${CSS.escape(key)}"]`);
      if (link) { event.preventDefault(); link.click(); return; }
    }
    if (key === "g") going = Date.now();
    else if (key === "?") help();
    else if (key === "t") turn();
    else if (key === "j") move(1);
    else if (key === "k") move(-1);
    else if (key === "/") {
      const search = document.querySelector("input[type=search]");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
    } else {
      const act = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
      if (act && !document.querySelector("dialog[open]")) { event.preventDefault(); act.click(); }
    }
  });

  const format = new Intl.DateTimeFormat(undefined, {
    year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
  });
  const told = (node) => {
    for (const time of node.querySelectorAll?.("time[datetime]:not([data-told])") || []) {
      const at = new Date(time.dateTime);
      if (isNaN(at)) continue;
      time.dataset.told = "";
      time.title = time.title || time.textContent;
      time.textContent = format.format(at);
    }
  };
  const ready = () => {
    dress();
    told(document);
    new MutationObserver((changes) => {
      for (const change of changes) for (const node of change.addedNodes) if (node.nodeType === 1) told(node.parentNode || node);
    }).observe(document.body, { childList: true, subtree: true });
  };
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", ready) : ready();
  window.addEventListener("load", dress);
})();
