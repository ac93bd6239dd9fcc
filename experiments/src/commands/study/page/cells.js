// The cells of a column of a grid, method by seed: a letter and a colour for the state of each, what is known of it as a
// sentence, and the way to its run. The arrow keys go from cell to cell.

import { el } from "./dom.js";
import { format, whole } from "./number.js";
import { addressOf } from "./runs.js";

export const percent = (x, digits = 2) => `${(100 * x).toFixed(digits)}%`;
export const plural = (count, one) => `${whole(count)} ${one}${count === 1 ? "" : "s"}`;

/** The letters and words of the states. */
export const STAGES = {
  ended: ["E", "ended"],
  running: ["R", "running"],
  stopped: ["S", "stopped"],
  new: ["N", "not begun"],
  failed: ["F", "failed"],
};

/** The name of the grid that a run is of. */
const folderOf = (run) => (run.includes("/") ? run.slice(0, run.lastIndexOf("/")) : ".");

/** For people. */
export function duration(seconds) {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (seconds < 5400) return `${Math.ceil(seconds / 60)} min`;
  return seconds < 172800 ? `${(seconds / 3600).toFixed(1)} hours` : `${(seconds / 86400).toFixed(1)} days`;
}

/** All that is known of a cell, as a sentence. */
function sentence(attn, { seed, stage, cause, done, steps, dev, test, left }) {
  const parts = [`${attn}, seed ${seed}: ${STAGES[stage][1]}`];
  if (cause) parts.push(cause);
  if (done) parts.push(done === steps ? plural(done, "step") : `${whole(done)} of ${whole(steps)} steps`);
  if (dev) parts.push(`dev loss ${format(dev.loss, 4)}, dev accuracy ${percent(dev.accuracy)}`);
  if (test) parts.push(`test accuracy ${percent(test.accuracy)}`);
  if (left) {
    const from = left.own ? "its latest steps" : "those of its other seeds";
    parts.push(`${duration(left.seconds)} left at ${format(left.seconds_per_step, 3)} s a step, ${from}`);
  }
  return parts.join("; ");
}

/** A cell in short: its letter, and how far it is. */
function short({ stage, done, steps, test }) {
  const [letter, word] = STAGES[stage];
  const share = percent(done / steps, 0);
  const far = { ended: test && percent(test.accuracy), running: share, stopped: share };
  return [el("b", {}, letter), ` ${far[stage] ?? word}`];
}

/** The cells of a column, which the arrow keys go through. */
export function cellTable() {
  const caption = el("caption");
  const head = el("thead");
  const body = el("tbody");
  const element = el("table", { class: "cells", role: "grid" }, caption, head, body);
  let shape = "";
  let at = [0, 0];
  const all = () => [...body.children].map((row) => [...row.querySelectorAll(".state")]);

  function fill(place, attn, cell) {
    const told = sentence(attn, cell);
    if (place.firstChild?.title === told) return;
    const attributes = { class: `state ${cell.stage}`, title: told, "aria-label": told, tabindex: "-1" };
    const had = place.contains(document.activeElement);
    place.replaceChildren(
      cell.name
        ? el("a", { href: addressOf("run", { run: cell.name, grid: folderOf(cell.name) }), ...attributes }, ...short(cell))
        : el("span", { role: "note", ...attributes }, ...short(cell)),
    );
    if (had) place.firstChild.focus();
  }
  function stand([i, j], focus) {
    const cells = all();
    at = [Math.max(0, Math.min(i, cells.length - 1)), Math.max(0, Math.min(j, cells[0].length - 1))];
    cells.flat().forEach((cell) => (cell.tabIndex = -1));
    const cell = cells[at[0]][at[1]];
    cell.tabIndex = 0;
    if (focus) cell.focus();
  }
  element.addEventListener("keydown", (event) => {
    const by = {
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
      Home: [0, -1e9],
      End: [0, 1e9],
    }[event.key];
    if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
    stand([at[0] + by[0], at[1] + by[1]], true);
    event.preventDefault();
  });
  element.addEventListener("focusin", ({ target }) => {
    const row = all().findIndex((row) => row.includes(target));
    if (row >= 0) stand([row, all()[row].indexOf(target)], false);
  });
  return {
    element,
    show({ title, rows }, seeds) {
      caption.textContent = title;
      element.dataset.column = title;
      const next = JSON.stringify([rows.map(({ attn }) => attn), seeds]);
      if (next !== shape) {
        shape = next;
        const heads = seeds.map((seed) => el("th", { scope: "col" }, `seed ${seed}`));
        head.replaceChildren(el("tr", {}, el("th", { scope: "col" }, "method"), ...heads));
        const line = ({ attn }) => {
          const cells = seeds.map(() => el("td", { role: "gridcell" }));
          return el("tr", {}, el("th", { scope: "row" }, attn), ...cells);
        };
        body.replaceChildren(...rows.map(line));
      }
      rows.forEach(({ attn, cells }, i) => {
        cells.forEach((cell, j) => fill(body.children[i].children[j + 1], attn, cell));
      });
      stand(at, false);
    },
  };
}
