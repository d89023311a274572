// The form over the completions. Its fields are the parameters of the address, so that a filtered view is a link.
function filterForm(all, cells, rows, params, changed) {
  const several = (name, label, options) => select(name, label, options, params.get(name), changed);
  const range = (name, label, step) => el("span", { class: "range", role: "group", "aria-label": label }, label,
    ["from", "to"].map((end) => el("input", { name: `${name}_${end}`, type: "number", step, oninput: changed,
      placeholder: end, "aria-label": `${label} ${end}`, value: params.get(`${name}_${end}`) })));
  const named = cells.filter((cell) => all.held.has(cell.place)).map((cell) => [cell.id, cell.label]);
  return el("form", { class: "filters", onsubmit: (event) => event.preventDefault() },
    several("row", "Row", rows.map((row, place) => [String(place), row])),
    several("cell", "Cell", named),
    several("split", "From", all.splits.map((split) => [split, split])),
    several("status", "Verdict", all.statuses.map((status) => [status, status.replace(/_/g, " ")])),
    range("step", "Step", "1"), range("reward", "Reward", "any"),
    el("label", { class: "grow" }, "Text", el("input", { name: "text", type: "search", value: params.get("text"),
      placeholder: "in prompt, completion or gold", oninput: changed })),
    el("label", { class: "check", title: all.disagrees }, el("input", { name: "odd", type: "checkbox", value: "1",
      checked: params.has("odd"), onchange: changed }), "reward disagrees with verifier"),
    el("button", { type: "button", onclick: () => go("completions", new URLSearchParams()) }, "Clear"));
}

// Whether completion n passes all filters but that on its text, which may not be decoded yet.
function accepts(all, cells, params) {
  const tests = [];
  const equals = (name, value) => params.get(name) && tests.push((n) => value(n) === params.get(name));
  equals("row", (n) => String(cells[all.cell[n]].row));
  equals("cell", (n) => cells[all.cell[n]].id);
  equals("split", (n) => all.splits[all.split[n]]);
  equals("status", (n) => all.statuses[all.status[n]]);
  for (const name of ["step", "reward"]) {
    const column = all[name], from = params.get(`${name}_from`), to = params.get(`${name}_to`);
    if (from) tests.push((n) => column[n] !== null && column[n] >= Number(from));
    if (to) tests.push((n) => column[n] !== null && column[n] <= Number(to));
  }
  if (params.has("odd")) tests.push((n) => all.odd[n] === 1);
  return (n) => tests.every((test) => test(n));
}

// Order by a column; what lacks a value comes last in either direction, ties keep the order of the records.
function ordered(all, found, sort) {
  const [name, down] = [sort.replace(/^-/, ""), sort.startsWith("-")];
  const column = name === "status" ? all.status.map((code) => all.statuses[code]) : all[name];
  if (!column) return found;
  const sign = down ? -1 : 1;
  return found.sort((a, b) => {
    const x = column[a], y = column[b];
    if (x === null || y === null) return (x === null) - (y === null) || a - b;
    return x === y ? a - b : x < y ? -sign : sign;
  });
}

// Yields the completions whose prompt, completion or gold holds the text, chunk by chunk, so that the page stays alive.
async function* containing(all, found, text) {
  const wanted = text.toLowerCase();
  const chunks = Map.groupBy(found, (n) => Math.floor(n / all.chunk));
  for (const [chunk, places] of chunks) {
    const texts = await data(`chunk-${chunk}`);
    yield places.filter((n) => {
      const { prompt, completion, gold } = texts[n % all.chunk];
      return [prompt, completion, gold].some((part) => (part ?? "").toLowerCase().includes(wanted));
    });
  }
}
