const ROW = 36;
const COLUMNS = [["status", "Verdict"], ["cell", "Row and seed"], ["split", "From"], ["step", "Step"],
  ["reward", "Reward"], ["tokens", "Tokens"], ["", "Completion"]];

let browser = null;

// The list of completions. Only the rows in view exist; their texts are decoded when they come into it.
async function completionPage(params) {
  if (browser && String(browser.params) === String(params)) return browser.nodes;
  const { cells, rows } = await data("cells");
  const all = await data("completions");
  cells.forEach((cell, place) => (cell.place = place));
  all.held ??= new Set(all.counts.map(([cell]) => cell));
  browser = { all, cells, rows, params, found: [], at: 0, turn: 0 };
  browser.form = filterForm(all, cells, rows, params, () => refilter());
  browser.count = el("p", { class: "count", role: "status" });
  browser.body = el("div", { class: "rows" });
  browser.view = el("div", { class: "list", tabindex: "0", role: "listbox", "aria-label": "Completions",
    onscroll: () => requestAnimationFrame(paint), onkeydown: keys }, browser.body);
  browser.heads = el("div", { class: "heads row" }, COLUMNS.map(([name, label]) => name
    ? el("button", { type: "button", "data-sort": name, onclick: () => resort(name) }, label) : el("span", {}, label)));
  browser.nodes = [el("h1", {}, "Completions"), leftOut(all), browser.form, browser.count,
    el("div", { class: "listing" }, browser.heads, browser.view)];
  search();
  return browser.nodes;
}

function leftOut(all) {
  const some = all.counts.reduce((sum, count) => sum + count[2], 0);
  const there = all.counts.reduce((sum, count) => sum + count[3], 0);
  if (!there) return el("p", { class: "lead" }, "The cells of this study kept no completions.");
  const text = some < there
    ? `This page holds ${counted(some)} of about ${counted(there)} completions of the study, in whole groups of a prompt, `
      + "spread evenly over its cells and their steps; the rest is in the folders of the cells. "
    : `All ${counted(some)} completions of the study. `;
  return el("p", { class: "lead small" }, text, all.disagrees);
}

let typing = 0;

function refilter() {
  clearTimeout(typing);
  typing = setTimeout(() => {
    const sort = browser.params.get("sort");
    const values = [...new FormData(browser.form)].filter(([, value]) => value !== "");
    browser.params = new URLSearchParams(sort ? [...values, ["sort", sort]] : values);
    go("completions", browser.params, true);
    search();
  }, 120);
}

function resort(name) {
  const now = browser.params.get("sort");
  const next = now === name ? `-${name}` : now === `-${name}` ? null : name;
  next ? browser.params.set("sort", next) : browser.params.delete("sort");
  go("completions", browser.params, true);
  search();
}

async function search() {
  const own = browser, { all, cells, params } = own, turn = ++own.turn;
  const test = accepts(all, cells, params);
  const passed = all.cell.map((_, n) => n).filter(test);
  if (!params.get("text")) return settle(own, passed, "");
  let found = [], looked = 0, last = performance.now();
  for await (const part of containing(all, passed, params.get("text"))) {
    if (own.turn !== turn) return;
    found = found.concat(part);
    looked += 1;
    if (performance.now() - last > 150) {
      settle(own, found.slice(), ", still searching");
      last = performance.now();
      await new Promise((resolve) => setTimeout(resolve));
    }
  }
  if (own.turn === turn) settle(own, found, "");
}

function settle(own, found, note) {
  own.found = ordered(own.all, found, own.params.get("sort") ?? "");
  own.at = 0;
  own.view.scrollTop = 0;
  own.body.style.height = `${own.found.length * ROW}px`;
  own.count.textContent = `${counted(own.found.length)} of ${counted(own.all.cell.length)}${note}`;
  for (const head of own.heads.querySelectorAll("button")) {
    const sort = own.params.get("sort") ?? "", down = sort.startsWith("-");
    const mine = sort.replace(/^-/, "") === head.dataset.sort;
    mine ? head.setAttribute("data-order", down ? "down" : "up") : head.removeAttribute("data-order");
    const then = !mine ? "sort ascending" : down ? "keep the order of the records" : "sort descending";
    head.title = then;
  }
  paint();
}

function paint() {
  const { view, found, at } = browser;
  const first = Math.max(0, Math.floor(view.scrollTop / ROW) - 6);
  const last = Math.min(found.length, first + Math.ceil((view.clientHeight || 600) / ROW) + 12);
  const drawn = [];
  for (let place = first; place < last; place++) drawn.push(listRow(found[place], place, place === at));
  browser.body.replaceChildren(...drawn);
  view.setAttribute("aria-activedescendant", `row-${at}`);
}

function listRow(n, place, current) {
  const { all, cells, rows } = browser, cell = cells[all.cell[n]];
  const preview = el("span", { class: "preview" });
  fill(preview, n);
  const odd = all.odd[n] ? el("span", { class: "odd", title: all.disagrees }, "disagrees") : null;
  return el("div", { class: `row${current ? " current" : ""}`, id: `row-${place}`, role: "option",
    "aria-selected": String(current), "aria-setsize": browser.found.length, "aria-posinset": place + 1,
    style: `top:${place * ROW}px`, onclick: () => { browser.at = place; show(n); } },
    el("span", {}, badge(all.statuses[all.status[n]])),
    el("span", { title: cell.label }, `${rows[cell.row]} · ${cell.seed}`), el("span", {}, all.splits[all.split[n]]),
    el("span", { class: "number" }, shown(all.step[n], 9)), el("span", { class: "number" }, shown(all.reward[n]), odd),
    el("span", { class: "number" }, shown(all.tokens[n], 6)), preview);
}

async function fill(preview, n) {
  const { chunk } = browser.all;
  const texts = await data(`chunk-${Math.floor(n / chunk)}`);
  preview.textContent = texts[n % chunk].completion.slice(0, 300).replace(/\s+/g, " ");
}

function keys(event) {
  const page = Math.max(1, Math.floor(browser.view.clientHeight / ROW) - 1);
  const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
  if (event.key === "Enter" && browser.found.length) return show(browser.found[browser.at]);
  if (!(event.key in moves)) return;
  event.preventDefault();
  move(moves[event.key]);
}

function move(by) {
  const { view, found } = browser;
  browser.at = Math.min(Math.max(0, found.length - 1), Math.max(0, browser.at + by));
  const top = browser.at * ROW;
  if (top < view.scrollTop) view.scrollTop = top;
  if (top + ROW > view.scrollTop + view.clientHeight) view.scrollTop = top + ROW - view.clientHeight;
  paint();
}

function show(n) {
  browser.below = true;
  go("completions", withOpen(n));
}
