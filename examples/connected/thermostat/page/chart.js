// The temperature of the last minute, drawn as SVG.

const SPAN = 60_000; // ms
const LEFT = 34;
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 22;

const svg = document.getElementById("chart");
const part = (id) => document.getElementById(id);

/** What is drawn: { at, celsius, target, heating }, the oldest first. */
const points = [];
let asked = false;

/** Adds what was seen at the time at, in ms. */
export function add(at, view) {
  points.push({ at, ...view });
  while (points.length > 2 && points[1].at < at - SPAN) points.shift();
  draw();
}

/** What a screen reader says. */
export function describe() {
  if (points.length === 0) return "There is no reading yet.";
  const first = points[0];
  const last = points.at(-1);
  const change = last.celsius - first.celsius;
  const way = Math.abs(change) < 0.2 ? "steady" : change > 0 ? "rising" : "falling";
  return `The temperature of the last minute: ${way}, from ${first.celsius.toFixed(1)} to ${last.celsius.toFixed(1)} degrees; the target is ${last.target.toFixed(1)}.`;
}

function draw() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    paint();
  });
}

new ResizeObserver(draw).observe(svg);

function paint() {
  if (points.length === 0) return;
  const width = svg.clientWidth;
  const height = svg.clientHeight;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const last = points.at(-1);
  const { low, high, step } = scale();
  const x = (at) => LEFT + (1 - (last.at - at) / SPAN) * (width - LEFT - RIGHT);
  const y = (celsius) => TOP + ((high - celsius) / (high - low)) * (height - TOP - BOTTOM);
  const floor = height - BOTTOM;

  grid(width, floor, low, high, step, x, y);
  const shown = points.filter((p, i) => i === points.length - 1 || points[i + 1].at >= last.at - SPAN);
  const path = shown.map((p) => `${Math.max(x(p.at), LEFT).toFixed(1)},${y(p.celsius).toFixed(1)}`).join("L");
  part("line").setAttribute("d", `M${path}`);
  part("area").setAttribute("d", `M${path}V${floor}H${Math.max(x(shown[0].at), LEFT).toFixed(1)}Z`);
  part("heated").setAttribute("d", heated(shown, x, floor));
  set("wanted", { x1: LEFT, x2: width - RIGHT, y1: y(last.target), y2: y(last.target) });
  set("head", { cx: x(last.at), cy: y(last.celsius) });
}

function set(id, attributes) {
  for (const [k, v] of Object.entries(attributes)) part(id).setAttribute(k, v.toFixed(1));
}

/** The range of the temperatures, and a step that gives it three to six lines. */
function scale() {
  const all = points.flatMap((p) => [p.celsius, p.target]);
  let low = Math.min(...all) - 0.3;
  let high = Math.max(...all) + 0.3;
  const more = (3 - (high - low)) / 2;
  if (more > 0) {
    low -= more;
    high += more;
  }
  const step = [0.5, 1, 2, 5, 10].find((s) => (high - low) / s <= 6) ?? 20;
  return { low, high, step };
}

/** Where the heater was on, as strokes along the bottom. */
function heated(shown, x, floor) {
  let d = "";
  let since;
  for (const p of shown) {
    if (p.heating) since ??= p.at;
    else if (since !== undefined) {
      d += `M${Math.max(x(since), LEFT).toFixed(1)},${floor - 1.5}H${x(p.at).toFixed(1)}`;
      since = undefined;
    }
  }
  if (since !== undefined) d += `M${Math.max(x(since), LEFT).toFixed(1)},${floor - 1.5}H${x(shown.at(-1).at).toFixed(1)}`;
  return d;
}

function grid(width, floor, low, high, step, x, y) {
  const lines = [];
  for (let c = Math.ceil(low / step) * step; c <= high; c += step) {
    lines.push(element("line", { x1: LEFT, x2: width - RIGHT, y1: y(c), y2: y(c) }));
    lines.push(element("text", { x: LEFT - 8, y: y(c) + 4, "text-anchor": "end" }, c.toFixed(step < 1 ? 1 : 0)));
  }
  const now = points.at(-1).at;
  for (const [ago, text] of [[60, "1 min ago"], [30, "30 s"], [0, "now"]]) {
    const anchor = ago === 60 ? "start" : ago === 0 ? "end" : "middle";
    lines.push(element("text", { x: x(now - ago * 1000), y: floor + 16, "text-anchor": anchor }, text));
  }
  part("grid").replaceChildren(...lines);
}

function element(name, attributes, text = "") {
  const e = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, typeof v === "number" ? v.toFixed(1) : v);
  e.textContent = text;
  return e;
}
