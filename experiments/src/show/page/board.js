// What several curves share: the legend, whose buttons switch series on and off, and smoothing. A name has the same look
// in every chart of a board.

import { button, el, show, svg } from "./elements.js";
import { whole } from "./number.js";

/** Looks of which no two are alike: a look is a colour and a dash of the style sheet. */
const COLOURS = 7;
const DASHES = 5;
/** The class of a series' lines. */
export const look = (at) => `colour-${at % COLOURS} dash-${(at + Math.floor(at / COLOURS)) % DASHES}`;
/** The longest span of smoothing, in points. */
const LONGEST = 2000;
const spanOf = (place) => Math.round(LONGEST ** (place / 100));
const placeOf = (span) => Math.round((100 * Math.log(span)) / Math.log(LONGEST));

/** A short line that looks as the series does. */
export function key(at, dots) {
  const line = svg("path", { class: "line", d: "M1 6H33" });
  const dot = dots ? [svg("circle", { cx: 17, cy: 6, r: 3 })] : [];
  return svg("svg", { class: `key ${look(at)}`, viewBox: "0 0 34 12", "aria-hidden": "true" }, line, ...dot);
}

/** `span` is the smoothing to begin with. */
export function board({ span = 1 } = {}) {
  const charts = [];
  const looks = new Map(); // by name
  const off = new Set();
  const windows = new Map(); // [from, to] by what x means
  const legend = el("div", { class: "legend-of-curves", role: "group", "aria-label": "Series: shown or not" });
  const said = el("output", { class: "span" });
  const slider = el("input", {
    type: "range",
    min: "0",
    max: "100",
    value: String(placeOf(span)),
    oninput() {
      shared.span = spanOf(Number(slider.value));
      say();
      repaint();
    },
  });
  const smoothing = el("label", { class: "smoothing" }, "smoothing ", slider, said);
  const element = el("div", { class: "board" }, legend, smoothing);
  const repaint = () => charts.forEach((chart) => chart.paint());
  const say = () => {
    const text = shared.span > 1 ? `over ${whole(shared.span)} points` : "none";
    said.textContent = text;
    slider.setAttribute("aria-valuetext", text);
  };

  const shared = {
    element,
    span: spanOf(placeOf(span)),
    isOn: (name) => !off.has(name),
    lookOf(name) {
      if (!looks.has(name)) looks.set(name, looks.size);
      return looks.get(name);
    },
    windowOf: (x) => windows.get(x) ?? null,
    /** Zooms all charts with this x; null: all of it. */
    zoom(x, window) {
      windows.set(x, window);
      repaint();
    },
    join: (chart) => charts.push(chart),
    /** Brings the legend up to date with the series of the charts. */
    refresh() {
      const all = charts.flatMap((chart) => chart.series);
      const names = [...new Set(all.filter(({ points }) => points.length).map(({ name }) => name))];
      const old = [...legend.children].map((child) => child.dataset.name);
      show(smoothing, all.some((series) => !series.dots && series.points.length > 2));
      if (String(old) === String(names)) return;
      legend.replaceChildren(...names.map((name) => entry(name, all.find((series) => series.name === name).dots)));
    },
  };
  function entry(name, dots) {
    const switched = (event) => {
      const names = [...legend.children].map((child) => child.dataset.name);
      const alone = names.every((other) => (other === name) === shared.isOn(other));
      if (event.shiftKey) names.forEach((other) => (alone || other === name ? off.delete(other) : off.add(other)));
      else if (!off.delete(name)) off.add(name);
      for (const child of legend.children) child.setAttribute("aria-pressed", String(shared.isOn(child.dataset.name)));
      repaint();
    };
    const state = { "data-name": name, "aria-pressed": String(shared.isOn(name)) };
    const made = button("", switched, { ...state, title: "With shift: only this, or all" });
    made.append(key(shared.lookOf(name), dots), name);
    return made;
  }
  say();
  return shared;
}
