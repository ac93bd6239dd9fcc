// Bias and deviation of y, dQ, dK and dV over many draws, as d grows: a chart for each, and the numbers in a table.

import { ask } from "./ask.js";
import { button, el, refusalLine, show, svg } from "./dom.js";
import { format } from "./number.js";
import { scenes } from "./scene.js";

const PARTS = { y: "y", dq: "dQ", dk: "dK", dv: "dV" };
const KINDS = ["deviation", "bias"];
const [WIDTH, HEIGHT, LEFT, BOTTOM] = [280, 190, 44, 26];
/** What is so far below the largest number of a chart is none but for rounding, and stands on the line of 0. */
const DEEPEST = 1e-5;
const HINT =
  "Many draws on the same Q, K, V and dy, beside exact attention: the bias is what the mean misses, the deviation is " +
  "how far draws lie from their mean; both are shares of the exact norm.";

/** 1, 2, 4, ... up to n. */
const doubling = (n) => Array.from({ length: Math.floor(Math.log2(Math.max(1, n))) + 1 }, (_, at) => 2 ** at);

/** Neither given draws nor a planted error have a part in it. */
const freeScenes = async (state) =>
  (await scenes(state)).map((scene) => ({ ...scene, draws: undefined, planted: undefined }));

export function redrawsPanel(page) {
  const changed = () => {
    const numbers = ds.value.split(/[\s,]+/).map(Number).filter((d) => Number.isInteger(d) && d > 0);
    page.change({ count: Number(count.value), ds: numbers.length ? numbers : null }, element);
  };
  const count = el("input", { type: "number", min: "1", max: "10000", onchange: changed });
  const ds = el("input", { type: "text", size: "16", onchange: changed });
  const labels = [el("label", {}, "draws ", count), el("label", {}, "at d = ", ds)];
  const start = button("Redraw", run);
  const cancel = button("Cancel", () => running?.abort(), { hidden: true });
  const progress = el("span", { role: "status" });
  const refusal = refusalLine();
  const result = el("div");
  const element = el(
    "section",
    { "aria-label": "Redraws" },
    el("h2", {}, "Redraws"),
    el("p", { class: "hint" }, HINT),
    el("div", { class: "line" }, ...labels, start, cancel, progress),
    refusal.element,
    result,
  );
  let running = null;
  let last = null; // { of, count, lines: [{ side, name, at: [...] }] }

  async function run() {
    const { state } = page;
    const features = state.ds ?? doubling(state.n);
    running = new AbortController();
    start.disabled = true;
    show(cancel, true);
    refusal.clear();
    try {
      const asked = await freeScenes(state);
      const lines = asked.map(({ attn }, at) => ({ side: "ab"[at], name: attn, at: [] }));
      last = { of: JSON.stringify(asked), count: state.count, lines };
      // One question for each d, so that progress shows and "Cancel" is heard.
      for (const [step, d] of features.entries()) {
        progress.textContent = `d = ${d}: ${step + 1} of ${features.length} …`;
        for (const [which, scene] of asked.entries()) {
          const question = { ask: "redraws", count: state.count, features: [d], scene };
          lines[which].at.push((await ask(question, running.signal)).at[0]);
        }
        const charts = Object.keys(PARTS).map((part) => chart(part, last));
        result.replaceChildren(legend(last), el("div", { class: "panels" }, ...charts), table(last));
        result.classList.remove("stale");
      }
      running = null;
      update(page.state); // it may have changed meanwhile
    } catch (error) {
      progress.textContent = error.name === "AbortError" ? "cancelled" : "";
      if (error.name !== "AbortError") refusal.tell(error);
    } finally {
      running = null;
      start.disabled = false;
      show(cancel, false);
    }
  }

  /** Follows the state. */
  async function update(state) {
    count.value = state.count;
    ds.value = (state.ds ?? doubling(state.n)).join(", ");
    if (!last || running) return;
    const same = JSON.stringify(await freeScenes(state).catch(() => null)) === last.of;
    result.classList.toggle("stale", !same);
    progress.textContent = same ? "done" : "of what was shown before the last change";
  }
  return { element, update };
}

/** Whether a bias is too small to be told from none: the mean of r draws is itself off by deviation / √r. */
const isNoBias = ({ bias, deviation }, count) => bias < (2 * deviation) / Math.sqrt(count);

function legend({ lines, count }) {
  const key = ({ side, name }, kind) => {
    const line = svg("path", { class: kind, d: "M1 5H29" });
    const picture = svg("svg", { class: `key ${side}`, viewBox: "0 0 30 10", "aria-hidden": "true" }, line);
    return el("span", {}, picture, `${kind} of ${name}`);
  };
  const keys = lines.flatMap((line) => KINDS.map((kind) => key(line, kind)));
  const hollow = `○ a bias below 2 deviations / √${count}: none that ${count} draws can show`;
  return el("p", { class: "keys" }, ...keys, el("span", {}, hollow));
}

function chart(part, { lines, count }) {
  const points = lines.flatMap(({ at }) => at).flatMap((at) => KINDS.map((kind) => at[part][kind]));
  const most = Math.max(...points) || 1;
  const least = Math.min(...points.filter((x) => x > most * DEEPEST), most);
  const [last, first] = [Math.ceil(Math.log10(most)), Math.floor(Math.log10(least))];
  const decades = Math.max(1, last - first);
  const zero = HEIGHT - BOTTOM;
  const low = zero - 18; // of the logarithmic part
  const y = (value) =>
    value <= most * DEEPEST ? zero : 10 + ((last - Math.log10(value)) / decades) * (low - 10);

  const ds = [...new Set(lines.flatMap(({ at }) => at.map((at) => at.features)))].sort((a, b) => a - b);
  const [from, to] = [Math.log2(ds[0]), Math.log2(ds.at(-1))];
  const x = (d) => LEFT + 10 + ((Math.log2(d) - from) / (to - from || 1)) * (WIDTH - LEFT - 24);

  const drawn = [];
  for (const value of [0, ...Array.from({ length: decades + 1 }, (_, at) => 10 ** (last - at))]) {
    drawn.push(svg("path", { class: "rule", d: `M${LEFT} ${y(value)}H${WIDTH - 6}` }));
    drawn.push(svg("text", { class: "end", x: LEFT - 5, y: y(value) + 4 }, format(value)));
  }
  let right = -Infinity; // numbers that would touch are left out
  for (const d of ds) {
    if (x(d) - right < 22) continue;
    right = x(d);
    drawn.push(svg("text", { class: "middle", x: right, y: HEIGHT - 9 }, String(d)));
  }
  for (const { side, at } of lines) {
    const seen = at.filter((at) => at[part].bias !== null);
    for (const kind of KINDS) {
      const path = seen.map((at, which) => `${which ? "L" : "M"}${x(at.features)} ${y(at[part][kind])}`).join("");
      const dots = seen.map((at) => {
        const name = kind === "bias" && isNoBias(at[part], count) ? "hollow" : "";
        const title = svg("title", {}, `d = ${at.features}: ${kind} ${format(at[part][kind])}`);
        return svg("circle", { class: name, cx: x(at.features), cy: y(at[part][kind]), r: 3 }, title);
      });
      drawn.push(svg("g", { class: side }, svg("path", { class: kind, d: path }), ...dots));
    }
  }
  const label = `Bias and deviation of ${PARTS[part]} over d; the numbers are in the table below.`;
  return el(
    "figure",
    { class: "chart" },
    el("figcaption", {}, el("strong", {}, PARTS[part]), el("small", {}, " share of the exact norm, over d")),
    svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label }, ...drawn),
  );
}

function table({ lines, count }) {
  const names = Object.values(PARTS).flatMap((name) => [`bias of ${name}`, `deviation of ${name}`]);
  const head = ["method", "d", ...names].map((text) => el("th", { scope: "col" }, text));
  const cell = (x, mark = "") => el("td", { title: format(x) }, format(x, 4) + mark);
  const cells = (of) => [cell(of.bias, isNoBias(of, count) ? " ○" : ""), cell(of.deviation)];
  const rows = lines.flatMap(({ name, at }) =>
    at.map((at) => {
      const numbers = Object.keys(PARTS).flatMap((part) => cells(at[part]));
      return el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, String(at.features)), ...numbers);
    }),
  );
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "Redraws in numbers" },
    el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows)),
  );
}
