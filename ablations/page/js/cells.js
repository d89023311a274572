// The list of cells, narrowed by row of the table and by state.
async function cellList(params) {
  const { cells, rows } = await data("cells");
  const lines = cells.map((cell) => [cell, cellRow(cell, rows)]);
  const narrow = (wanted) => lines.forEach(([cell, line]) => {
    line.hidden = ["row", "state"].some((name) => wanted.get(name) && wanted.get(name) !== String(cell[name]));
  });
  const pick = (name, label, options) => select(name, label, options, params.get(name), () => {
    const wanted = new URLSearchParams([...new FormData(filters)].filter(([, value]) => value !== ""));
    go("cells", wanted, true);
    narrow(wanted);
  });
  const states = [...new Set(cells.map((cell) => cell.state))];
  const filters = el("form", { class: "filters", onsubmit: (event) => event.preventDefault() },
    pick("row", "Row", rows.map((row, place) => [String(place), row])),
    pick("state", "State", states.map((state) => [state, state])));
  const heads = ["Row", "Seed", "State", "Step", "Accuracy (%)", "Alarms", "Minutes"];
  const table = el("table", {}, el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
    el("tbody", {}, lines.map(([, line]) => line)));
  sortable(table);
  narrow(params);
  const summary = states.map((state) => `${cells.filter((cell) => cell.state === state).length} ${state}`).join(", ");
  return [el("h1", {}, "Cells"), el("p", { class: "lead" }, `${counted(cells.length)} cells: ${summary}`), filters,
    el("div", { class: "wide" }, table)];
}

function cellRow(cell, rows) {
  const name = cell.id ? el("a", { href: `#cell/${encodeURIComponent(cell.id)}` }, rows[cell.row]) : rows[cell.row];
  const accuracy = known(cell.accuracy) ? (100 * cell.accuracy).toFixed(1) : "–";
  const step = known(cell.step) ? `${cell.step}${known(cell.steps) ? ` of ${cell.steps}` : ""}` : "–";
  const values = [cell.seed, badge(cell.state), step, accuracy, cell.alarms || "–", minutes(cell.seconds)];
  return el("tr", {}, el("th", { scope: "row" }, name), values.map((value, place) =>
    el("td", { "data-sort": place === 2 ? (cell.step ?? "") : null }, value)));
}

// The page of one cell.
async function cellPage(id) {
  const { cells } = await data("cells");
  const place = cells.findIndex((cell) => cell.id === id);
  if (place < 0) return [el("h1", {}, "No such cell"), el("p", {}, `No cell of this study is called ${id}.`)];
  const cell = cells[place], more = await data(`cell-${place}`);
  const { counts, splits } = await data("completions");
  const own = counts.filter(([at]) => at === place);
  const facts = [badge(cell.state), ` step ${cell.step ?? "–"} of ${cell.steps ?? "–"} · ${minutes(cell.seconds)} min · `,
    el("code", {}, cell.id)];
  return [
    el("p", { class: "crumb" }, el("a", { href: "#cells" }, "Cells")),
    el("h1", {}, cell.label), el("p", { class: "lead" }, facts),
    more.error ? el("p", { class: "alarm critical" }, more.error) : null,
    more.alarms.map((alarm) => el("p", { class: `alarm ${alarm.severity}` }, el("b", {}, alarm.name), ` ${alarm.sentence}`)),
    el("p", {}, own.length ? el("a", { class: "action", href: `#cell/${encodeURIComponent(id)}/completions` },
      "Read its completions") : "It left no completions.",
      own.length ? ` ${own.map(([, split, some]) => `${counted(some)} ${splits[split]}`).join(" · ")}` : ""),
    el("div", { class: "charts" }, more.panels.map(chart)),
    more.panels.length ? null : el("p", {}, "It left no curves."),
    folded("Config", more.config, false), folded("Status", more.status, false),
    folded("End of its log", more.log, cell.state === "failed"),
  ];
}

function folded(title, text, open) {
  return el("details", { open }, el("summary", {}, title), el("pre", {}, text || "(empty)"));
}

function select(name, label, options, value, onchange) {
  const found = options.map(([key, text]) => el("option", { value: key, selected: key === value }, text));
  return el("label", {}, label, el("select", { name, onchange, "aria-label": label }, el("option", { value: "" }, "all"), found));
}
