const CHART = { width: 380, height: 210, left: 46, right: 10, top: 10, bottom: 26 };

// A figure of one panel; the mean of several steps says so, and the pointer reads values off.
function chart(panel) {
  const { width, height, left, right, top, bottom } = CHART;
  const steps = panel.lines.flatMap((line) => line.steps);
  const values = panel.lines.flatMap((line) => line.values);
  const x = scale(Math.min(...steps), Math.max(...steps), left, width - right);
  const y = scale(...padded(values), height - bottom, top);
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": panel.title });
  for (const tick of ticks(y.from, y.to)) {
    drawing.append(svg("line", { class: "grid", x1: left, x2: width - right, y1: y(tick), y2: y(tick) }));
    drawing.append(svg("text", { x: left - 6, y: y(tick) + 3.5, "text-anchor": "end" }, shown(tick, 3)));
  }
  for (const tick of ticks(x.from, x.to)) {
    drawing.append(svg("text", { x: x(tick), y: height - 8, "text-anchor": "middle" }, shown(tick, 6)));
  }
  panel.lines.forEach((line, place) => drawing.append(curve(line, place, x, y)));
  const every = Math.max(...panel.lines.map((line) => line.every));
  const readout = el("span", { class: "readout" }, every > 1 ? `means of ${every} steps` : "");
  follow(drawing, panel, x, readout);
  return el("figure", { class: "chart" }, el("figcaption", {}, panel.title, readout), drawing, legend(panel));
}

function curve(line, place, x, y) {
  const points = line.steps.map((step, i) => `${x(step).toFixed(1)},${y(line.values[i]).toFixed(1)}`);
  if (points.length > 1) return svg("polyline", { class: `line s${place % 8}`, points: points.join(" ") });
  return svg("circle", { class: `dot s${place % 8}`, cx: x(line.steps[0]), cy: y(line.values[0]), r: 3 });
}

function legend(panel) {
  const entries = panel.lines.map((line, place) => el("span", {}, el("i", { class: `s${place % 8}` }), line.name));
  return el("div", { class: "legend" }, panel.lines.length > 1 ? entries : []);
}

function follow(drawing, panel, x, readout) {
  const rule = svg("line", { class: "rule", y1: CHART.top, y2: CHART.height - CHART.bottom, visibility: "hidden" });
  const idle = readout.textContent;
  drawing.append(rule);
  drawing.addEventListener("pointermove", (event) => {
    const box = drawing.getBoundingClientRect();
    const step = x.back(((event.clientX - box.left) / box.width) * CHART.width);
    const near = panel.lines.map((line) => nearest(line, step));
    rule.setAttribute("x1", x(near[0].step));
    rule.setAttribute("x2", x(near[0].step));
    rule.setAttribute("visibility", "visible");
    // Evaluations are rarer than steps: a value from another step says from which.
    const at = ({ step, value }) => shown(value) + (step === near[0].step ? "" : ` (at ${shown(step, 6)})`);
    readout.textContent = `step ${shown(near[0].step, 6)}: ${near.map(at).join(", ")}`;
  });
  drawing.addEventListener("pointerleave", () => {
    rule.setAttribute("visibility", "hidden");
    readout.textContent = idle;
  });
}

function nearest(line, step) {
  let best = 0;
  line.steps.forEach((at, i) => {
    if (Math.abs(at - step) < Math.abs(line.steps[best] - step)) best = i;
  });
  return { step: line.steps[best], value: line.values[best] };
}

function scale(from, to, start, end) {
  const span = to - from || 1;
  const map = (value) => start + ((value - from) / span) * (end - start);
  map.back = (place) => from + ((place - start) / (end - start)) * span;
  return Object.assign(map, { from, to });
}

function padded(values) {
  const low = Math.min(...values), high = Math.max(...values);
  const room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 0.5;
  return [low >= 0 ? Math.max(0, low - room) : low - room, high + room];
}

function ticks(from, to) {
  const rough = (to - from) / 4 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const size = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
  const found = [];
  for (let tick = Math.ceil(from / size); tick * size <= to + size * 1e-6; tick++) found.push(tick * size);
  return found;
}
