// One completion in full, whitespace kept, over the list it was opened from.
async function openCompletion(n) {
  const { all, cells } = browser;
  const dialog = document.getElementById("opened");
  if (!(n >= 0 && n < all.cell.length)) return closeCompletion();
  const text = (await data(`chunk-${Math.floor(n / all.chunk)}`))[n % all.chunk];
  const cell = cells[all.cell[n]], status = all.statuses[all.status[n]];
  const place = browser.found.indexOf(n);
  if (place >= 0) browser.at = place;
  const step = (by) => {
    const next = browser.found[browser.at + by];
    if (known(next)) go("completions", withOpen(next), true);
  };
  dialog.onkeydown = (event) => {
    if (event.key === "ArrowRight") step(1);
    if (event.key === "ArrowLeft") step(-1);
  };
  dialog.replaceChildren(...[
    el("header", {}, badge(status), all.odd[n] ? el("span", { class: "odd", title: all.disagrees }, "disagrees") : null,
      el("a", { href: `#cell/${encodeURIComponent(cell.id)}` }, cell.label), el("span", { class: "grow" }),
      el("button", { type: "button", "aria-label": "Previous", onclick: () => step(-1) }, "←"),
      el("button", { type: "button", "aria-label": "Next", onclick: () => step(1) }, "→"),
      el("button", { type: "button", "aria-label": "Close", onclick: () => leave() }, "✕")),
    facts(all, n, text),
    part("Prompt", text.prompt), part("Completion", text.completion, "completion"), part("Gold", text.gold),
    el("h3", {}, "Verdict"), el("p", {}, badge(status), ` ${text.reason ?? "No reason was recorded."}`,
      known(text.answer) ? ` Answer read: ${text.answer}.` : ""),
    components(text, all.reward[n]), steps(text)].flat().filter(known));
  if (!dialog.open) dialog.showModal();
  // Not the first link in it: the arrows turn the pages at once.
  dialog.focus();
  dialog.scrollTop = 0;
}

function facts(all, n, text) {
  const pairs = [["From", all.splits[all.split[n]]], ["Step", all.step[n]], ["Question", text.question],
    ["Sample", text.sample], ["Tokens", all.tokens[n]], ["Finish", text.finish], ["Reward", all.reward[n]],
    ["Advantage", text.advantage], ["Late", text.late && "its reward overran the deadline"]];
  return el("dl", { class: "facts" }, pairs.filter(([, value]) => known(value)).map(([name, value]) =>
    el("div", {}, el("dt", {}, name), el("dd", {}, typeof value === "number" ? shown(value, 6) : value))));
}

const part = (title, text, name = "") => [el("h3", {}, title), el("pre", { class: `text ${name}` }, text ?? "(none)")];

function components(text, reward) {
  const scores = Object.entries(text.components ?? {});
  if (!scores.length) return null;
  const rows = [...scores, ["reward (weighted sum)", reward]];
  return [el("h3", {}, "Reward by component"), el("table", {}, el("tbody", {}, rows.map(([name, score]) =>
    el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, known(score) ? shown(score, 6) : "not scorable")))))];
}

// Places in the text count code points, as Python does; a string of JavaScript counts in sixteen bits.
function steps(text) {
  if (!text.steps?.length) return null;
  const points = [...(text.completion ?? "")];
  return [el("h3", {}, "Process score by step"), el("table", {}, el("tbody", {}, text.steps.map(([start, end, score]) =>
    el("tr", {}, el("td", { class: "steptext" }, points.slice(start, end).join("").trim()), el("td", {}, shown(score))))))];
}

function withOpen(n) {
  const params = new URLSearchParams(browser.params);
  params.set("open", n);
  return params;
}

function closeCompletion() {
  const dialog = document.getElementById("opened");
  if (dialog.open) dialog.close();
}

// Back to the list, without another entry in the history where the list is the one before.
function leave() {
  if (browser.below) history.back();
  else go("completions", browser.params);
}
