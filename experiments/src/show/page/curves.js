// A chart of curves over steps or time: numbers on hover and by the arrow keys, zoom by dragging and by + - 0,
// smoothing, series that are switched in the legend, a logarithmic scale. It stays quick with 50,000 points a series,
// since it draws only the extremes of each column of pixels (lines.js), and follows the theme by the colours of the
// style sheet.

import { board, key, look } from "./board.js";
import { button, el, show, svg } from "./elements.js";
import { extremes, firstFrom, nearest, smoothed, ticks } from "./lines.js";
import { format, whole } from "./number.js";

const [TOP, RIGHT, BOTTOM] = [10, 12, 24];
const LETTER = 6.4; // pixels of a digit on an axis, about
const DIGITS = 5; // of a number that is told
const ROWS = 12; // series that are told on hover at most
const DOTTED = 60; // dots that a curve has room for
const KEYS = "Arrow keys go from point to point (with shift by tenths), + and − zoom, 0 shows all.";
const near = (x) => (Number.isInteger(x) ? whole(x) : format(x, DIGITS));
const onAxis = (x) => (Number.isInteger(x) && Math.abs(x) < 1e6 ? whole(x).replace("-", "−") : short(x));
function short(x) {
  const text = Math.abs(x) >= 1e6 || Math.abs(x) < 1e-3 ? x.toExponential().replace("e+", "e") : String(x);
  return text.replace("-", "−");
}

/**
 * Curves of `series`: `{ name, points: [[x, y], ...], band: [[x, low, high], ...] | undefined, dots: bool }`, points
 * rising in x; `x` and `y` say what the axes mean. A series with dots is drawn as it is, others are smoothed, and what
 * they are without stands pale behind. `log` begins with a logarithmic scale. Charts that share a `shared` board have
 * one legend, which whoever made the board puts on the page, and zoom together where their x is the same. They are drawn
 * as soon as they are on the page, or at once by `paint`.
 */
export function curves({ title, x, y, series = [], log = false, shared = null }) {
  const own = shared ?? board();
  const lines = svg("g");
  const marks = svg("g", { class: "marks" });
  const picture = svg("svg", { role: "application", tabindex: "0", "aria-label": `${title}: ${y} over ${x}. ${KEYS}` });
  const live = el("p", { class: "heard", "aria-live": "polite" });
  const told = el("div", { class: "told", "aria-hidden": "true", hidden: true });
  const logarithmic = button("log", () => ((chart.log = !chart.log), paint()), { title: "Logarithmic scale" });
  const back = button("all", () => zoom(null), { title: "All of it (0)" });
  const tools = el(
    "span",
    { class: "tools" },
    logarithmic,
    button("+", () => closer(0.5), { title: "Closer (+)", "aria-label": "closer" }),
    button("−", () => closer(2), { title: "Farther (−)", "aria-label": "farther" }),
    back,
  );
  const stage = el("div", { class: "plot" }, picture, told);
  const unit = y.toLowerCase() === title.toLowerCase() ? "" : y;
  const caption = el("figcaption", {}, el("strong", {}, title), el("small", {}, unit), tools);
  const element = el("figure", { class: "curves", "data-curves": title }, caption, stage, live);
  if (!shared) element.append(own.element);
  picture.append(lines, marks);

  const chart = { series: [], log, paint };
  let box = null; // where numbers are in the picture
  let cursor = null; // an x
  let dragged = null; // where dragging began, in pixels
  const clip = `clip-${clips++}`;
  own.join(chart);

  const on = () => chart.series.filter(({ name, points }) => points.length && own.isOn(name));
  const all = () => {
    const some = chart.series.filter(({ points }) => points.length);
    const ends = some.flatMap(({ points }) => [points[0][0], points.at(-1)[0]]);
    const [low, high] = [Math.min(...ends), Math.max(...ends)];
    return low < high ? [low, high] : [low - 0.5, high + 0.5];
  };
  /** The part of x that is shown: what was zoomed to, as far as there are points. */
  const range = () => {
    const [low, high] = all();
    const [from, to] = own.windowOf(x) ?? [low, high];
    return from < high && to > low ? [Math.max(from, low), Math.min(to, high)] : [low, high];
  };

  function update(series) {
    const fill = ({ name, points, band, dots = false }) => {
      own.lookOf(name);
      const positive = points.every(([, y]) => !(y <= 0)) && !band?.some(([, low]) => low <= 0);
      return { name, points, band: band?.length ? band : undefined, dots, positive, smooth: new Map() };
    };
    chart.series = series.map(fill);
    own.refresh();
    paint();
  }

  /** The points of a series as they are smoothed now. */
  function shownOf(one) {
    const span = one.dots ? 1 : own.span;
    if (!one.smooth.has(span)) one.smooth = new Map([[span, smoothed(one.points, span)]]);
    return one.smooth.get(span);
  }

  function paint() {
    const width = stage.clientWidth;
    const shown = on();
    if (!width || !chart.series.some(({ points }) => points.length)) return;
    const positive = shown.length > 0 && shown.every((one) => one.positive);
    show(logarithmic, positive);
    logarithmic.setAttribute("aria-pressed", String(chart.log));
    const isLog = chart.log && positive;
    const height = Math.round(Math.max(200, Math.min(320, 0.6 * width)));
    const [from, to] = range();
    show(back, Boolean(own.windowOf(x)));

    // What is drawn, thinned to the picture, decides how far y goes.
    const columns = Math.max(50, width - 40);
    const drawn = shown.map((one) => {
      const curve = extremes(shownOf(one), from, to, columns);
      const raw = shownOf(one) === one.points ? [] : extremes(one.points, from, to, columns);
      const band = one.band ? bandOf(one.band, from, to, columns) : [];
      return { one, curve, raw, band };
    });
    const inside = (rows) => rows.filter((row) => row[0] >= from && row[0] <= to).flatMap((row) => row.slice(1));
    const ys = drawn.flatMap(({ curve, raw, band }) => [curve, raw, band].flatMap(inside));
    const [low, high] = limits(ys.filter(Number.isFinite), isLog);
    const yTicks = ticks(low, high, isLog, Math.max(3, Math.floor(height / 45)));
    const left = 10 + LETTER * Math.max(...yTicks.map((tick) => onAxis(tick).length));
    const right = width - RIGHT;
    const xTicks = ticks(from, to, false, Math.max(3, Math.floor((right - left) / 80)));
    const part = isLog ? (v) => Math.log(v / low) / Math.log(high / low) : (v) => (v - low) / (high - low);
    box = {
      left,
      right,
      height,
      from,
      to,
      x: (v) => left + ((v - from) / (to - from)) * (right - left),
      y: (v) => height - BOTTOM - part(v) * (height - BOTTOM - TOP),
    };
    picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    picture.style.height = `${height}px`;

    const frame = { x: left, y: TOP - 4, width: right - left, height: height - BOTTOM - TOP + 8 };
    const grid = [
      svg("clipPath", { id: clip }, svg("rect", frame)),
      ...yTicks.map((tick) => svg("path", { class: "rule", d: `M${left} ${box.y(tick).toFixed(1)}H${right}` })),
      ...yTicks.map((tick) => {
        const place = { x: left - 6, y: (box.y(tick) + 4).toFixed(1) };
        return svg("text", { class: "end y", ...place }, onAxis(tick));
      }),
      ...xTicks.map((tick) => svg("path", { class: "rule", d: `M${box.x(tick).toFixed(1)} ${height - BOTTOM}v4` })),
      ...xTicks.map((tick) => xLabel(tick, width, height)),
      svg("path", { class: "rule", d: `M${left} ${height - BOTTOM}H${right}` }),
    ];
    const paths = drawn.map(({ one, curve, raw, band }) => {
      const group = svg("g", { class: look(own.lookOf(one.name)), "data-series": one.name });
      if (band.length) group.append(svg("path", { class: "band", d: area(band) }));
      if (raw.length) group.append(svg("path", { class: "raw", d: path(raw) }));
      group.append(svg("path", { class: "line", d: path(curve) }));
      const dots = curve.filter(([x, y]) => x >= from && x <= to && Number.isFinite(y));
      // One point makes no line.
      const dotted = (one.dots && dots.length <= DOTTED) || one.points.length === 1;
      if (dotted) group.append(...dots.map((at) => dot(at, 3)));
      return group;
    });
    lines.replaceChildren(...grid, svg("g", { "clip-path": `url(#${clip})` }, ...paths));
    point(cursor);
  }

  const dot = ([px, py], r) => svg("circle", { cx: box.x(px).toFixed(1), cy: box.y(py).toFixed(1), r });
  function xLabel(tick, width, height) {
    const at = box.x(tick);
    const half = (LETTER * onAxis(tick).length) / 2;
    const place = Math.max(half, Math.min(width - half, at)).toFixed(1);
    return svg("text", { class: "middle x", x: place, y: height - 6 }, onAxis(tick));
  }

  /** M and L through points; a gap begins anew. */
  function path(points) {
    let text = "";
    let pen = "M";
    for (const [px, py] of points) {
      if (!Number.isFinite(py)) pen = "M";
      else {
        text += `${pen}${box.x(px).toFixed(1)} ${box.y(py).toFixed(1)}`;
        pen = "L";
      }
    }
    return text;
  }
  const area = (band) => {
    const up = band.map(([x, , high]) => [x, high]);
    const down = band.map(([x, low]) => [x, low]).reverse();
    return `${path(up)}${path(down).replace("M", "L")}Z`;
  };

  /** Tells the values at the points that are nearest to an x; `aloud` to a screen reader, too. */
  function point(at, aloud = false) {
    cursor = at;
    const shown = at === null || !box ? [] : on();
    const found = shown.map((one) => ({ one, at: nearest(one.points, at) })).filter(({ at }) => at >= 0);
    const visible = found.filter(({ one, at }) => one.points[at][0] >= box.from && one.points[at][0] <= box.to);
    show(told, visible.length > 0);
    marks.replaceChildren();
    if (!visible.length) return;
    const closest = visible.reduce((best, next) => (distance(next, at) < distance(best, at) ? next : best));
    const here = closest.one.points[closest.at][0];
    const rows = visible.map(({ one }) => {
      const place = nearest(one.points, here);
      const [px, value] = one.points[place];
      const smooth = shownOf(one)[place][1];
      return { one, px, value, smooth, band: one.band?.[nearest(one.band, px)] };
    });
    rows.sort((a, b) => b.smooth - a.smooth);

    const drawnX = box.x(here).toFixed(1);
    marks.append(svg("path", { class: "cursor", d: `M${drawnX} ${TOP}V${box.height - BOTTOM}` }));
    for (const { one, px, smooth } of rows) {
      if (!Number.isFinite(smooth)) continue;
      marks.append(svg("g", { class: look(own.lookOf(one.name)) }, dot([px, smooth], 3.5)));
    }
    const texts = rows.map(({ one, px, value, smooth, band }) => {
      const notes = [];
      if (smooth !== value) notes.push(`smoothed ${format(smooth, DIGITS)}`);
      if (band) notes.push(`${format(band[1], DIGITS)} to ${format(band[2], DIGITS)}`);
      if (px !== here) notes.push(`at ${near(px)}`);
      return { one, value, note: notes.length ? ` (${notes.join(", ")})` : "" };
    });
    const heading = `${x.replace(/ \(.*/, "")} ${near(here)}`;
    const row = ({ one, value, note }) => {
      const number = el("data", { value: String(value) }, format(value, DIGITS));
      return el("div", {}, key(own.lookOf(one.name), one.dots), el("span", {}, one.name), number, el("small", {}, note));
    };
    told.replaceChildren(el("strong", { "data-x": String(here) }, heading), ...texts.slice(0, ROWS).map(row));
    if (texts.length > ROWS) told.append(el("small", {}, `and ${texts.length - ROWS} more, as the arrow keys tell`));
    // On the side where there is more room, and within the picture.
    const wide = told.offsetWidth;
    const toRight = box.x(here) < (box.left + box.right) / 2;
    const place = toRight ? box.x(here) + 12 : box.x(here) - 12 - wide;
    told.style.left = `${Math.max(0, Math.min(stage.clientWidth - wide, place))}px`;
    const said = texts.map(({ one, value, note }) => `${one.name} ${format(value, DIGITS)}${note}`);
    if (aloud) live.textContent = [heading, ...said].join("; ");
  }
  const distance = ({ one, at: place }, at) => Math.abs(one.points[place][0] - at);

  function zoom(window) {
    if (window) {
      const [low, high] = all();
      const least = (high - low) / 2e4;
      const [from, to] = window;
      if (to - from >= high - low) window = null;
      else {
        const size = Math.max(to - from, least);
        const start = Math.max(low, Math.min(high - size, from));
        window = [start, start + size];
      }
    }
    own.zoom(x, window);
  }
  /** Makes the window so many times as wide, around the cursor or the middle. */
  function closer(factor) {
    const [from, to] = range();
    const middle = cursor !== null && cursor >= from && cursor <= to ? cursor : (from + to) / 2;
    zoom([middle - (middle - from) * factor, middle + (to - middle) * factor]);
  }
  function step(by) {
    const xs = [...new Set(on().flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
    if (!xs.length) return;
    const [from, to] = range();
    const places = xs.map((x) => [x]);
    const [first, last] = [firstFrom(places, from), Math.max(0, nearest(places, to))];
    const start = cursor === null ? (by > 0 ? first - 1 : last + 1) : nearest(places, cursor);
    point(xs[Math.max(first, Math.min(last, start + by))], true);
  }

  const placeOf = ({ clientX }) => {
    const at = clientX - picture.getBoundingClientRect().left;
    const inside = Math.max(box.left, Math.min(box.right, at));
    return { at: inside, x: box.from + ((inside - box.left) / (box.right - box.left)) * (box.to - box.from) };
  };
  const listen = (name, heard) => picture.addEventListener(name, (event) => box && heard(event));
  listen("pointermove", (event) => {
    const here = placeOf(event);
    point(here.x);
    if (dragged === null) return;
    const [a, b] = [Math.min(dragged.at, here.at), Math.max(dragged.at, here.at)];
    marks.append(svg("rect", { class: "chosen", x: a, y: TOP, width: b - a, height: box.height - BOTTOM - TOP }));
  });
  listen("pointerdown", (event) => {
    if (event.button !== 0) return;
    dragged = placeOf(event);
    picture.setPointerCapture(event.pointerId);
    point(dragged.x);
  });
  listen("pointerup", (event) => {
    const [from, to] = [dragged, placeOf(event)];
    dragged = null;
    if (from && Math.abs(from.at - to.at) > 5) zoom([Math.min(from.x, to.x), Math.max(from.x, to.x)]);
  });
  listen("pointercancel", () => (dragged = null));
  listen("pointerleave", () => dragged === null && point(null));
  listen("dblclick", () => zoom(null));
  listen("blur", () => point(null));
  listen("keydown", (event) => {
    const { key, shiftKey, ctrlKey, metaKey, altKey } = event;
    if (ctrlKey || metaKey || altKey) return;
    const many = Math.max(1, Math.round(Math.max(...on().map(({ points }) => points.length), 0) / 10));
    const by = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[key];
    if (by) step(shiftKey && Number.isFinite(by) ? by * many : by);
    else if (key === "+" || key === "=") closer(0.5);
    else if (key === "-" || key === "−") closer(2);
    else if (key === "0") zoom(null);
    else if (key === "Escape" && cursor !== null) point(null);
    else return;
    event.preventDefault();
  });
  let before = 0;
  const resized = () => {
    if (stage.clientWidth !== before) paint();
    before = stage.clientWidth;
  };
  // In the next frame, since the height of what is observed changes.
  new ResizeObserver(() => requestAnimationFrame(resized)).observe(stage);
  update(series);
  return { element, update, paint };
}

/** Names of clipping regions are those of the whole page. */
let clips = 0;

/** A band thinned as a curve is, its low and its high end each. */
function bandOf(band, from, to, columns) {
  if (band.length <= columns) return band;
  const [lows, highs] = [1, 2].map((side) => extremes(band.map((row) => [row[0], row[side]]), from, to, columns));
  const every = new Map(lows.map(([x, low]) => [x, low]));
  return highs.map(([x, high]) => [x, every.get(x) ?? band[nearest(band, x)][1], high]);
}

/** How far y goes, with some room around; what is never negative does not look as if it could be. */
function limits(ys, log) {
  let [low, high] = [Infinity, -Infinity];
  for (const y of ys) [low, high] = [Math.min(low, y), Math.max(high, y)];
  if (!(low <= high)) return log ? [0.5, 2] : [0, 1];
  if (log) return high > low * 1.0001 ? [low / 1.05, high * 1.05] : [low / 1.2, high * 1.2];
  if (high - low <= 1e-9 * Math.abs(high)) {
    const room = 0.5 * Math.abs(low);
    return room > 0 ? [low - room, high + room] : [0, 1];
  }
  const room = 0.05 * (high - low);
  return [low >= 0 ? Math.max(0, low - room) : low - room, high + room];
}
