// A matrix as a heat map that is also an accessible grid.
//
// The picture is one canvas, so that 64 x 64 numbers are painted in about a millisecond. Over it lies a grid that
// holds a single cell, the one on which the keyboard stands; it is made anew where the keyboard goes, so that a screen
// reader says its number. All that colour says is also said there and in the line below the picture.

import { el } from "./dom.js";
import { format, largest } from "./number.js";

/** How a matrix that can be changed is changed. */
export const HELP =
  "Drag a number up or down, or type it: Enter, 0–9. + and − change it by 0.1, Alt with ↑ and ↓ by 0.01; " +
  "Delete takes the change back.";

const FONT = "system-ui, sans-serif";
const GAP = 2;
const BARS = 32; // height of the bars above the columns
const DRAG = 0.02; // of a value, a pixel

/** Small matrices have room for their numbers; others are as large as a screen bears. */
function cellSize(rows, cols, pixels) {
  if (rows <= 20 && cols <= 12) return { w: cols > 8 ? 34 : 40, h: 22, text: true };
  const side = (count) => Math.max(Math.floor(pixels / 64), Math.min(22, Math.floor(pixels / count)));
  return { w: side(cols), h: side(rows), text: false };
}

/** The colours of the style sheet, as [r, g, b]. Read once for a theme. */
let palette = null;
function colours() {
  if (palette) return palette;
  const style = getComputedStyle(document.documentElement);
  const hex = (name) => style.getPropertyValue(name).trim();
  const rgb = (name) => [1, 3, 5].map((at) => parseInt(hex(name).slice(at, at + 2), 16));
  const [negative, zero, positive] = ["--negative", "--zero", "--positive"].map(rgb);
  const scale = new Uint8ClampedArray(4 * 511); // from -255 to 255
  for (let at = 0; at < 511; at++) {
    const [share, end] = [Math.abs(at - 255) / 255, at < 255 ? negative : positive];
    scale.set([...zero.map((x, c) => x + share * (end[c] - x)), 255], 4 * at);
  }
  palette = { scale };
  for (const name of ["ground", "quiet", "mark", "wrong", "none"]) palette[name] = hex("--" + name);
  return palette;
}

const all = new Map(); // by canvas

/** Paints all matrices anew, as after a change of theme. */
export function repaint() {
  palette = null;
  for (const matrix of all.values()) matrix.paint();
}

/** Only what is on the screen or near it is painted: a page can have forty matrices. */
const watch = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      const matrix = all.get(target);
      matrix.seen = isIntersecting;
      if (matrix.seen && matrix.late) matrix.paint();
    }
  },
  { rootMargin: "400px" },
);

export class Matrix {
  /**
   * `name` is short, `label` says it in full. `edit(i, j, value)` makes it a matrix that can be changed (null: back to
   * what was drawn); `open(i, j)` one whose numbers can be opened; `pixels` are those of a side of many numbers.
   */
  constructor({ id, name = "", label = name, edit, open, pixels = 512 }) {
    Object.assign(this, { label, edit, open, pixels });
    this.values = [];
    this.at = [0, 0];
    this.peers = [this];
    this.marks = { rows: new Map(), cols: new Map(), cells: new Map() };
    this.canvas = el("canvas", { "aria-hidden": "true" });
    this.pointed = el("div", { class: "pointed", hidden: true });
    this.row = el("div", { role: "row" });
    this.grid = el("div", { role: "grid", "aria-label": label, class: "grid" }, this.row);
    if (!edit) this.grid.setAttribute("aria-readonly", "true");
    this.stage = el(
      "div",
      {
        class: "stage" + (edit ? " editable" : open ? " opens" : ""),
        onpointermove: (event) => this.hover(event),
        onpointerleave: () => this.point(null),
        onpointerdown: (event) => this.press(event),
        ondblclick: () => this.edit && this.type(),
        onclick: (event) => {
          const place = this.placeOf(event);
          if (place && this.open) this.open(...place);
        },
        onkeydown: (event) => this.key(event),
        onfocusin: () => this.point(this.at),
        onfocusout: () => this.point(null),
      },
      this.canvas,
      this.pointed,
      this.grid,
    );
    this.shape = el("small");
    this.legend = el("div", { class: "legend" }, el("span"), el("i"), el("span"));
    this.readout = el("div", { class: "readout", "aria-hidden": "true" });
    this.element = el(
      "figure",
      { class: "matrix", "data-matrix": id },
      el("figcaption", {}, el("strong", {}, name), " ", this.shape),
      el("div", { class: "scroll" }, this.stage),
      this.legend,
      this.readout,
    );
    all.set(this.canvas, this);
    watch.observe(this.canvas);
  }

  rename(name, label) {
    this.label = label;
    this.element.querySelector("strong").textContent = name;
    this.grid.setAttribute("aria-label", label);
  }

  /**
   * Shows rows of numbers. `range` is the number of the deepest colour; `marks` has texts for rows, columns and cells
   * ("i.j"); `bars` are shares, one a column; `more(i, j)` are texts about a cell that leave no mark.
   */
  show(values, { range = largest(values), marks = {}, bars = null, more = () => [] } = {}) {
    Object.assign(this, { values, range, bars, more });
    this.marks = { rows: new Map(), cols: new Map(), cells: new Map(), ...marks };
    const [n, m] = [values.length, values[0]?.length ?? 0];
    this.shape.textContent = `${n} × ${m}`;
    this.grid.setAttribute("aria-rowcount", n);
    this.grid.setAttribute("aria-colcount", m);
    const [low, , high] = this.legend.children;
    this.element.classList.toggle("narrow", m === 1);
    const digits = (m === 1 ? 2 : 3) - (range < 1e-3 ? 1 : 0); // an exponent takes their place
    [low.textContent, high.textContent] = [-range, range].map((end) => format(end, digits));
    const at = [Math.min(this.at[0], n - 1), Math.min(this.at[1], m - 1)];
    this.measure();
    this.paint();
    this.stand(at, false);
    this.point(this.last ?? null);
  }

  /** Where the cells are. */
  measure() {
    const [n, m] = [this.values.length, this.values[0].length];
    const { w, h, text } = cellSize(n, m, this.pixels);
    const left = 24;
    const top = 18 + (this.bars ? BARS : 0);
    this.box = { left, top, w, h, text, width: left + m * w + 1, height: top + n * h + 1 };
    for (const { style } of [this.canvas, this.stage]) {
      [style.width, style.height] = [`${this.box.width}px`, `${this.box.height}px`];
    }
  }

  paint() {
    this.late = !this.seen;
    if (this.late || !this.box) return;
    const { values, range, canvas } = this;
    const { left, top, w, h, text, width, height } = this.box;
    const [n, m] = [values.length, values[0].length];
    const look = colours();
    const dots = window.devicePixelRatio || 1;
    [canvas.width, canvas.height] = [Math.round(width * dots), Math.round(height * dots)];
    const pen = canvas.getContext("2d");
    pen.scale(dots, dots);

    // One pixel a number, enlarged without smoothing.
    const small = new OffscreenCanvas(m, n);
    const image = new ImageData(m, n);
    const shade = (x) => 4 * (255 + Math.round(range > 0 ? Math.max(-1, Math.min(1, x / range)) * 255 : 0));
    for (let i = 0, to = 0; i < n; i++) {
      for (let j = 0; j < m; j++, to += 4) {
        const x = values[i][j];
        if (x !== null) image.data.set(look.scale.subarray(shade(x), shade(x) + 4), to);
      }
    }
    small.getContext("2d").putImageData(image, 0, 0);
    pen.imageSmoothingEnabled = false;
    pen.fillStyle = look.none;
    pen.fillRect(left, top, m * w, n * h);
    pen.drawImage(small, left, top, m * w, n * h);

    pen.textAlign = "center";
    pen.textBaseline = "middle";
    if (text) {
      pen.font = `10.5px ${FONT}`;
      pen.fillStyle = look.ground;
      for (let i = 1; i < n; i++) pen.fillRect(left, top + i * h - 0.5, m * w, 1);
      for (let j = 1; j < m; j++) pen.fillRect(left + j * w - 0.5, top, 1, n * h);
      values.forEach((row, i) =>
        row.forEach((x, j) => {
          const [r, g, b] = x === null ? [128, 128, 128] : look.scale.subarray(shade(x));
          pen.fillStyle = 0.299 * r + 0.587 * g + 0.114 * b > 130 ? "#000" : "#fff";
          let digits = 3;
          while (digits > 1 && pen.measureText(format(x, digits)).width > w - 3) digits--;
          pen.fillText(format(x, digits), left + (j + 0.5) * w, top + (i + 0.5) * h);
        }),
      );
    }
    this.paintMargins(pen, look, [n, m]);
  }

  /** Numbers of rows and columns, what is marked, and the bars. */
  paintMargins(pen, look, [n, m]) {
    const { left, top, w, h } = this.box;
    const { rows, cols, cells } = this.marks;
    pen.font = `10px ${FONT}`;
    const label = (count, size, marked, draw) => {
      const every = Math.ceil(15 / size) > 1 ? 8 : 1;
      for (let at = 0; at < count; at++) {
        pen.fillStyle = marked.has(at) ? look.mark : look.quiet;
        if (at % every === 0) draw(at, true);
        if (marked.has(at)) draw(at, false);
      }
    };
    const arrow = (x, y, dx, dy) => {
      pen.beginPath();
      pen.moveTo(x, y);
      pen.lineTo(x - 5 * dx + 3 * dy, y - 5 * dy + 3 * dx);
      pen.lineTo(x - 5 * dx - 3 * dy, y - 5 * dy - 3 * dx);
      pen.fill();
    };
    label(n, h, rows, (i, text) => {
      const y = top + (i + 0.5) * h;
      if (text) pen.fillText(i, left - 15, y);
      else arrow(left - GAP, y, 1, 0);
    });
    label(m, w, cols, (j, text) => {
      const x = left + (j + 0.5) * w;
      if (text) pen.fillText(j, x, top - 12);
      else arrow(x, top - 1, 0, 1);
    });
    const most = Math.max(...(this.bars ?? []), Number.MIN_VALUE);
    (this.bars ?? []).forEach((share, j) => {
      const height = (share / most) * (BARS - 4);
      pen.fillStyle = cols.has(j) ? look.mark : look.quiet;
      pen.fillRect(left + j * w + 1, BARS - height, Math.max(1, w - 2), height);
    });
    pen.lineWidth = 2;
    for (const [place, { wrong }] of cells) {
      const [i, j] = place.split(".");
      pen.strokeStyle = look.wrong;
      pen.fillStyle = look.mark;
      if (wrong) pen.strokeRect(left + j * w + 1, top + i * h + 1, w - 2, h - 2);
      else pen.fillRect(left + j * w + 1, top + i * h + 1, 4, 4);
    }
  }

  /** Row and column under the pointer. */
  placeOf({ clientX, clientY }) {
    if (!this.box) return null;
    const from = this.stage.getBoundingClientRect();
    const i = Math.floor((clientY - from.top - this.box.top) / this.box.h);
    const j = Math.floor((clientX - from.left - this.box.left) / this.box.w);
    return i >= 0 && j >= 0 && i < this.values.length && j < this.values[0].length ? [i, j] : null;
  }

  /** Lays an element over a cell. */
  over(element, [i, j]) {
    const { left, top, w, h } = this.box;
    const px = { left: left + j * w, top: top + i * h, width: w, height: h };
    for (const [name, value] of Object.entries(px)) element.style[name] = `${value}px`;
  }

  /** What is said of a cell beside its number. */
  remarks([i, j]) {
    const { rows, cols, cells } = this.marks;
    const share = this.bars ? `probability ${format(this.bars[j], 4)}` : null;
    return [rows.get(i), cols.get(j), share, cells.get(`${i}.${j}`)?.text, ...this.more(i, j)].filter(Boolean);
  }

  /** Shows the number of a cell, here and in the matrices that stand beside it, or of none. */
  point(place) {
    for (const peer of this.peers) {
      const [n, m] = [peer.values.length, peer.values[0]?.length];
      const at = place && n ? [place[0], m === 1 ? 0 : place[1]] : null;
      const inside = at && at[0] < n && at[1] < m;
      peer.last = inside ? at : null;
      peer.pointed.toggleAttribute("hidden", !inside);
      peer.readout.textContent = "";
      if (!inside) continue;
      peer.over(peer.pointed, at);
      const value = format(peer.values[at[0]][at[1]]);
      peer.readout.append(`[${at.join(", ")}] `, el("b", {}, value), ["", ...peer.remarks(at)].join(", "));
    }
  }

  hover(event) {
    if (this.dragging) this.drag(event);
    else this.point(this.placeOf(event));
  }

  /** Puts the keyboard on a cell: a new element, so that its number is said. */
  stand(place, focus) {
    const old = this.row.firstChild;
    const [i, j] = (this.at = place);
    const value = format(this.values[i]?.[j]);
    const label = [`${this.label}, row ${i}, column ${j}: ${value}`, ...this.remarks(place)].join(", ");
    const had = old && old === document.activeElement;
    this.row.setAttribute("aria-rowindex", i + 1);
    const fresh = focus || !old ? el("div", { role: "gridcell", tabindex: "0", class: "cell" }) : old;
    fresh.setAttribute("aria-colindex", j + 1);
    fresh.setAttribute("aria-label", label);
    fresh.dataset.value = value;
    this.over(fresh, place);
    if (fresh === old) return;
    this.row.append(fresh);
    if (focus || had) fresh.focus({ preventScroll: false });
    old?.remove();
  }

  /** Changes a number, at once in the picture. */
  put(value) {
    const [i, j] = this.at;
    if (value !== null) {
      this.values = this.values.map((row, at) => (at === i ? row.with(j, value) : row));
      this.paint();
      this.point(this.at);
    }
    this.edit(i, j, value);
  }

  press(event) {
    const place = this.placeOf(event);
    if (!place || event.button !== 0 || event.target.tagName === "INPUT") return;
    const before = String(this.at) === String(place) && this.row.contains(document.activeElement);
    event.preventDefault(); // or the cell loses the focus that it is given here
    this.stand(place, true);
    this.point(place);
    // A finger scrolls the page, unless it lies on the cell that was chosen before.
    if (!this.edit || (event.pointerType === "touch" && !before)) return;
    this.stage.setPointerCapture(event.pointerId);
    this.dragging = { y: event.clientY, value: this.values[place[0]][place[1]] ?? 0, moved: false };
    const end = () => (this.dragging = null);
    this.stage.addEventListener("pointerup", end, { once: true });
    this.stage.addEventListener("pointercancel", end, { once: true });
  }

  drag({ clientY, shiftKey }) {
    const up = this.dragging.y - clientY;
    if (!this.dragging.moved && Math.abs(up) < 3) return;
    this.dragging.moved = true;
    this.put(rounded(this.dragging.value + up * DRAG * (shiftKey ? 0.1 : 1)));
  }

  /** An input over the cell. */
  type(start) {
    const place = this.at;
    const [i, j] = place;
    const text = start ?? format(this.values[i][j]);
    const label = `${this.label}, row ${i}, column ${j}`;
    const input = el("input", { class: "typed", value: text, "aria-label": label });
    let done = false;
    const end = (keep, focus) => {
      if (done) return;
      done = true;
      const value = input.value.trim() === "" ? NaN : Number(input.value.replace("−", "-").replace(",", "."));
      input.remove();
      if (keep && Number.isFinite(value)) this.put(value);
      this.stand(place, focus);
    };
    input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter") end(true, true);
      if (event.key === "Escape") end(false, true);
    });
    input.addEventListener("blur", () => end(true, false));
    this.over(input, place);
    this.stage.append(input);
    input.focus();
    if (start === undefined) input.select();
    else input.setSelectionRange(text.length, text.length);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey) return;
    const { key, altKey } = event;
    const [i, j] = this.at;
    const [n, m] = [this.values.length, this.values[0].length];
    const arrows = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const by = { ...arrows, PageUp: [-n, 0], PageDown: [n, 0], Home: [0, -m], End: [0, m] }[key];
    const fine = altKey ? { ArrowUp: 0.01, ArrowDown: -0.01 }[key] : undefined;
    const step = { "+": 0.1, "=": 0.1, "-": -0.1, "−": -0.1 }[key] ?? fine;
    if (this.edit && step) {
      this.put(rounded((this.values[i][j] ?? 0) + step));
      this.stand(this.at, true);
    } else if (by && !altKey) {
      const clamp = (x, most) => Math.max(0, Math.min(most - 1, x));
      this.stand([clamp(i + by[0], n), clamp(j + by[1], m)], true);
      this.point(this.at);
    } else if (key === "Enter") {
      if (this.edit) this.type();
      else if (this.open) this.open(i, j);
    } else if (this.edit && /^[0-9.]$/.test(key)) this.type(key);
    else if (this.edit && (key === "Delete" || key === "Backspace")) this.put(null);
    else return;
    event.preventDefault();
  }
}

/** So that what is dragged has short digits. */
const rounded = (x) => Number(x.toFixed(3));

/** Pointing at a cell of one points at it in all. */
export function beside(matrices) {
  for (const matrix of matrices) matrix.peers = matrices;
}
