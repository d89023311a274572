// The address after # says what is shown: nothing, cells, cell/ID, cell/ID/completions or completions?filters.
function go(path, params, replace = false) {
  const query = String(params ?? "");
  const hash = `#${path}${query ? `?${query}` : ""}`;
  if (hash === location.hash) return;
  if (!replace) location.hash = hash;
  else {
    history.replaceState(null, "", hash);
    if (params?.has("open")) route();
  }
}

let visit = 0;

async function route() {
  const turn = ++visit;
  const [path, query] = location.hash.slice(1).split(/\?(.*)/s);
  const params = new URLSearchParams(query ?? "");
  const [page, id, below] = path.split("/").map(decodeURIComponent);
  const open = params.get("open");
  params.delete("open");
  if (open === null) closeCompletion();
  if (open === null && browser) browser.below = false;
  if (page === "cells") await present("cells", cellList(params), turn);
  else if (page === "cell" && below !== "completions") await present("cell", cellPage(id), turn);
  else if (page === "cell" || page === "completions") {
    if (page === "cell") params.set("cell", id);
    await present("completions", completionPage(params), turn);
    if (turn !== visit) return;
    paint();
    if (open === null) browser.view.focus({ preventScroll: true });
    else await openCompletion(Number(open));
  } else {
    await present("overview", null, turn);
    document.getElementById(page)?.scrollIntoView();
  }
}

async function present(name, content, turn) {
  const nodes = (await content)?.flat();
  if (turn !== visit) return;
  const main = document.getElementById(name), same = !main.hidden;
  for (const other of document.querySelectorAll("main")) other.hidden = other !== main;
  // What is there already keeps its place and focus.
  if (nodes && nodes[0] !== main.firstChild) main.replaceChildren(...nodes.filter(known));
  if (!same) scrollTo(0, 0);
  for (const link of document.querySelectorAll("nav a")) {
    const at = { "#": "overview", "#cells": "cells", "#completions": "completions" }[link.getAttribute("href")];
    at === name.replace(/^cell$/, "cells") ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  }
}

function enlarge(event) {
  const image = event.target.closest(".figure")?.querySelector("img");
  if (!image) return;
  const dialog = document.getElementById("enlarged");
  Object.assign(dialog.querySelector("img"), { src: image.src, alt: image.alt });
  dialog.showModal();
}

function theme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const root = document.documentElement;
  root.dataset.theme = (root.dataset.theme ?? (dark ? "dark" : "light")) === "dark" ? "light" : "dark";
}

document.getElementById("theme").addEventListener("click", theme);
document.getElementById("overview").addEventListener("click", enlarge);
document.getElementById("enlarged").addEventListener("click", (event) => event.currentTarget.close());
document.getElementById("opened").addEventListener("cancel", (event) => {
  event.preventDefault();
  leave();
});
document.getElementById("opened").addEventListener("click", (event) => {
  if (event.target === event.currentTarget) leave();
});
document.querySelectorAll("#overview table").forEach(sortable);
addEventListener("hashchange", route);
addEventListener("resize", () => browser && paint());
route();
