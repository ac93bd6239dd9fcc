// Norms of many nodes over steps as a heat map with names: rows of one colour scale, logarithmic, a cell of which can be
// entered. Like a matrix it is one canvas, over which lies a grid that holds the cell on which the keyboard stands.

import { el } from "./dom.js";
import { format } from "./number.js";

const ROW = 15; // pixels
const NAMES = 250; // of them, where there is room
const TOP = 16;

/** The colours of the style sheet, from nothing to the most. */
function shades() {
  const style = getComputedStyle(document.documentElement);
  const rgb = (name) =>
    [1, 3, 5].map((at) =>
      parseInt(
        style
          .getPropertyValue(name)
          .trim()
          .slice(at, at + 2),
        16,
      ),
    );
  const [low, high] = [rgb("--zero"), rgb("--positive")];
  const text = style.getPropertyValue("--quiet").trim();
  return { at: (share) => `rgb(${low.map((x, c) => Math.round(x + share * (high[c] - x))).join(" ")})`, text };
}

/** `enter(row, column)` is called for the cell that is clicked, or on Enter. */
export function heat({ label, enter }) {
  const canvas = el("canvas", { "aria-hidden": "true" });
  const row = el("div", { role: "row" });
  const grid = el("div", { role: "grid", "aria-label": label, "aria-readonly": "true" }, row);
  const pointed = el("div", { class: "pointed", hidden: true });
  const stage = el("div", { class: "stage opens" }, canvas, pointed, grid);
  const readout = el("p", { class: "said", "aria-hidden": "true" });
  const legend = el("p", { class: "hint scale" });
  const element = el("div", { class: "heat" }, legend, el("div", { class: "scroll" }, stage), readout);
  let data = null; // { names, columns, values }
  let box = null;
  let at = [0, 0];

  function measure() {
    const room = element.clientWidth || 800;
    const names = Math.min(NAMES, Math.floor(room * 0.4));
    const wide = Math.max(5, Math.min(28, Math.floor((room - names - 10) / data.columns.length)));
    box = { names, wide, width: names + wide * data.columns.length + 1, height: TOP + ROW * data.names.length + 1 };
    for (const { style } of [canvas, stage]) [style.width, style.height] = [`${box.width}px`, `${box.height}px`];
  }
  function paint() {
    if (!data || !element.isConnected) return;
    measure();
    const { names, wide, width, height } = box;
    const dots = window.devicePixelRatio || 1;
    [canvas.width, canvas.height] = [Math.round(width * dots), Math.round(height * dots)];
    const pen = canvas.getContext("2d");
    pen.scale(dots, dots);
    const look = shades();
    const [least, most] = data.range;
    const share = (x) => (x > 0 ? 0.08 + 0.92 * ((Math.log(x) - least) / (most - least || 1)) : 0);
    pen.font = "11px system-ui, sans-serif";
    pen.textBaseline = "middle";
    data.values.forEach((of, i) => {
      const y = TOP + i * ROW;
      pen.fillStyle = look.text;
      pen.textAlign = "right";
      pen.fillText(cut(pen, data.names[i], names - 10), names - 6, y + ROW / 2);
      of.forEach((x, j) => {
        if (x === null) return; // no number: the ground stays
        pen.fillStyle = look.at(share(x));
        pen.fillRect(names + j * wide, y, wide > 7 ? wide - 1 : wide, ROW - 1);
      });
    });
    pen.fillStyle = look.text;
    pen.textAlign = "left";
    let free = -Infinity; // numbers that would touch are left out
    data.columns.forEach((step, j) => {
      const x = names + j * wide;
      if (x < free) return;
      pen.fillText(step, x, TOP / 2);
      free = x + pen.measureText(step).width + 10;
    });
    legend.replaceChildren(
      `${format(Math.exp(least), 3)} `,
      el("i"),
      ` ${format(Math.exp(most), 3)}, logarithmic; the ground: 0`,
    );
    stand(at, false);
  }
  const placeOf = ({ clientX, clientY }) => {
    if (!box) return null;
    const from = stage.getBoundingClientRect();
    const i = Math.floor((clientY - from.top - TOP) / ROW);
    const j = Math.floor((clientX - from.left - box.names) / box.wide);
    return i >= 0 && j >= 0 && i < data.names.length && j < data.columns.length ? [i, j] : null;
  };
  const over = (it, [i, j]) => {
    const px = { left: box.names + j * box.wide, top: TOP + i * ROW, width: box.wide, height: ROW };
    for (const [name, value] of Object.entries(px)) it.style[name] = `${value}px`;
  };
  const sentence = ([i, j]) => `${data.names[i]}, step ${data.columns[j]}: ${format(data.values[i][j])}`;
  function point(place) {
    pointed.toggleAttribute("hidden", !place);
    readout.textContent = place
      ? sentence(place)
      : "Point at a cell, or go there by the arrow keys; a click or Enter enters that step.";
    if (place) over(pointed, place);
  }
  function stand(place, focus) {
    at = [Math.min(place[0], data.names.length - 1), Math.min(place[1], data.columns.length - 1)];
    const old = row.firstChild;
    const cell = el("div", {
      role: "gridcell",
      tabindex: "0",
      class: "cell",
      "aria-label": sentence(at),
      "data-value": format(data.values[at[0]][at[1]]),
    });
    over(cell, at);
    const had = old && old === document.activeElement;
    row.append(cell);
    if (focus || had) cell.focus();
    old?.remove();
  }
  stage.addEventListener("pointermove", (event) => point(placeOf(event)));
  stage.addEventListener("pointerleave", () => point(null));
  stage.addEventListener("focusin", () => point(at));
  stage.addEventListener("click", (event) => {
    const place = placeOf(event);
    if (place) enter(...place);
  });
  stage.addEventListener("keydown", (event) => {
    const { key } = event;
    const by = {
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
      PageUp: [-10, 0],
      PageDown: [10, 0],
      Home: [0, -1e9],
      End: [0, 1e9],
    }[key];
    if (by) {
      const clamp = (x, most) => Math.max(0, Math.min(most - 1, x));
      stand([clamp(at[0] + by[0], data.names.length), clamp(at[1] + by[1], data.columns.length)], true);
      point(at);
    } else if (key === "Enter") enter(...at);
    else return;
    event.preventDefault();
  });
  new ResizeObserver(() => requestAnimationFrame(paint)).observe(element);
  new MutationObserver(paint).observe(document.documentElement, { attributeFilter: ["data-theme"] });

  return {
    element,
    show(names, columns, values) {
      let [least, most] = [Infinity, 0];
      for (const x of values.flat()) {
        if (x > 0) [least, most] = [Math.min(least, x), Math.max(most, x)];
      }
      data = { names, columns, values, range: [least, most].map(Math.log) };
      paint();
      point(null);
    },
  };
}

/** A name without its beginning, where it is too long. */
function cut(pen, text, room) {
  if (pen.measureText(text).width <= room) return text;
  let from = 1;
  while (from < text.length && pen.measureText("…" + text.slice(from)).width > room) from++;
  return "…" + text.slice(from);
}
