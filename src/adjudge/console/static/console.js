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

  // Of the groups of pages one at most is unfolded, and none once somebody looks elsewhere.
  const fold = (but) => {
    for (const one of document.querySelectorAll("details.group[open]")) if (one !== but) one.open = false;
  };
  document.addEventListener("click", (event) => fold(event.target.closest?.("details.group")));
  document.addEventListener("focusin", (event) => fold(event.target.closest?.("details.group")));
  document.addEventListener("keydown", (event) => {
    const open = event.key === "Escape" && document.querySelector("details.group[open]");
    if (open) { open.open = false; open.querySelector("summary").focus(); }
  });

  let going = 0; // when g was pressed
  let turned = -1e9; // when the page became another one: what is pressed right then was meant for the one before
  document.addEventListener("keydown", (event) => {
    const inside = event.target.closest?.("input, textarea, select, [contenteditable=true], .cm-editor");
    // a note that is written lets go of the keyboard, so that the next key acts
    if (event.target.matches?.("[data-key]") && ["Enter", "Escape"].includes(event.key)) event.target.blur();
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
      if (act && !event.repeat && Date.now() - turned > 200 && !document.querySelector("dialog[open], .q-dialog")) {
        event.preventDefault();
        act.matches("input, textarea") ? act.focus() : act.click();
      }
    }
  });

  // Names that complete themselves under an editor: Tab takes the first one, Esc hides them until the next letter.
  const editorOf = (node) => {
    const box = node.closest?.(".editor");
    const named = box && (box.matches("[data-names]") ? box : box.querySelector("[data-names]"));
    return named ? { box, names: JSON.parse(named.dataset.names) } : null;
  };
  const word = (area) => (area.value.slice(0, area.selectionStart).match(/[A-Za-z_][A-Za-z0-9_]*$/) || [""])[0];
  const strip = (box) => {
    let node = box.parentElement.querySelector(".names");
    if (!node) {
      node = document.createElement("div");
      node.className = "names";
      node.setAttribute("aria-label", "Names that fit");
      node.setAttribute("role", "group");
      box.after(node);
    }
    return node;
  };
  const take = (area, name) => {
    const at = area.selectionStart, begun = word(area);
    area.setRangeText(name, at - begun.length, at, "end");
    area.dispatchEvent(new Event("input", { bubbles: true }));
    area.focus();
  };
  document.addEventListener("input", (event) => {
    const found = editorOf(event.target);
    if (!found) return;
    const begun = word(event.target);
    const fit = begun.length < 2 ? [] : found.names.filter((name) => name.includes(begun) && name !== begun);
    fit.sort((a, b) => !a.startsWith(begun) - !b.startsWith(begun) || a.localeCompare(b));
    strip(found.box).replaceChildren(...fit.slice(0, 8).map((name) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.addEventListener("click", () => take(event.target, name));
      return button;
    }));
  });
  document.addEventListener("keydown", (event) => {
    const found = editorOf(event.target);
    const first = found && strip(found.box).firstElementChild;
    if (!first) return;
    if (event.key === "Tab" && !event.shiftKey) { event.preventDefault(); take(event.target, first.textContent); strip(found.box).replaceChildren(); }
    if (event.key === "Escape") strip(found.box).replaceChildren();
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
  // What has to be scrolled can be reached by the keyboard.
  const reach = () => {
    for (const node of document.querySelectorAll(".scroll, .fit > .panel")) {
      if (node.scrollWidth > node.clientWidth || node.scrollHeight > node.clientHeight) node.tabIndex = 0;
      else node.removeAttribute("tabindex");
    }
  };
  const here = () => location.pathname + location.search;
  let shown = here();
  // What came of something is said on the page as it is then.
  const SAID = "adjudge.said";
  window.adjudge = {
    again: (text) => { sessionStorage.setItem(SAID, text); location.reload(); },
    go: (address, text) => { sessionStorage.setItem(SAID, text); location.assign(address); },
    // What is shown has become another case: the address says so, and reading begins at the top.
    turn: (address, text) => {
      if (address !== here()) { turned = Date.now(); history.pushState(null, "", address); }
      shown = here();
      scrollTo(0, 0);
      const title = document.querySelector("h1");
      title.tabIndex = -1;
      title.focus();
      sessionStorage.setItem(SAID, text);
      say();
    },
  };
  addEventListener("popstate", () => { if (here() !== shown) location.reload(); });
  const say = () => {
    const text = sessionStorage.getItem(SAID);
    if (text === null) return;
    sessionStorage.removeItem(SAID);
    document.querySelector(".told")?.remove();
    const node = document.createElement("div");
    node.className = "told";
    node.setAttribute("role", "status");
    node.textContent = text;
    document.body.append(node);
    setTimeout(() => node.remove(), 8000);
  };

  const ready = () => {
    addEventListener("resize", reach);
    dress();
    told(document);
    say();
    new MutationObserver((changes) => {
      for (const change of changes) for (const node of change.addedNodes) if (node.nodeType === 1) told(node.parentNode || node);
      reach();
    }).observe(document.body, { childList: true, subtree: true });
  };
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", ready) : ready();
  window.addEventListener("load", dress);
})();
