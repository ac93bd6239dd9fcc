// The room of an operator: its inputs and dy, its value, the cotangents that it gives back, each beside finite
// differences, gradients part by part, all draws of an estimate, and the derivation beside the source.

import { allDrawsPanel } from "./all_draws.js";
import { ask, newest } from "./ask.js";
import { derivationPanel } from "./derivation.js";
import { el, number, refusalLine, show } from "./dom.js";
import { beside, HELP, Matrix } from "./matrix.js";
import { largest, minus, whole } from "./number.js";
import { operatorControls } from "./operator_controls.js";
import { changedOperator } from "./operator_state.js";
import { withCells } from "./scene.js";

/** `page.state.operator` is the state, `page.change(change, place)` changes it. */
export function operatorRoom(page) {
  const change = (change, place) => page.change({ operator: changedOperator(page.state.operator, change) }, place);
  const choices = operatorControls(page, change);
  const inputs = inputMatrices(page, change);
  const parts = [verdicts(), values(), gradients(), sums(), constants(), allDrawsPanel(page, change), costs()];
  const derivation = derivationPanel();
  const refusal = refusalLine();
  const results = el("div", { class: "results" }, ...parts.map(({ element }) => element));
  const columns = el("div", { class: "columns" }, inputs.element, results);
  const element = el("div", { class: "method operator" }, choices.element, columns, derivation.element);
  let answered = ""; // to which question

  const refresh = newest(async (state, place, replaced) => {
    element.setAttribute("aria-busy", "true");
    try {
      const asked = await question(state);
      const text = JSON.stringify(asked);
      if (answered !== text) {
        const answer = await ask(asked);
        answered = text;
        choices.show(answer);
        inputs.show(answer, state);
        for (const part of parts) part.show(answer, state);
        derivation.show(answer);
      } else parts.forEach((part) => part.update?.(state));
      refusal.clear();
      results.classList.remove("stale");
    } catch (error) {
      results.classList.add("stale");
      (place ?? choices.element).append(refusal.element);
      refusal.tell(error);
    }
    if (!replaced()) element.setAttribute("aria-busy", "false");
  });

  return {
    element,
    title: ({ operator }) => `${operator.name}: an operator, its gradient and its derivation`,
    update({ operator }, place) {
      choices.update(operator);
      return refresh(operator, place);
    },
  };
}

let last = { of: "", answer: null };

/** The question of a state: changed cells go with the numbers that the seed has drawn around them. */
async function question({ name, rows, columns, settings, seed, draws, cells }) {
  const asked = { ask: "operator", name, settings, seed };
  if (rows !== null) asked.rows = rows;
  if (columns !== null) asked.columns = columns;
  if (draws !== null) asked.draw_seed = draws;
  const changed = Object.entries(cells).filter(([, cells]) => cells.size);
  if (!changed.length) return asked;
  const of = JSON.stringify(asked);
  if (last.of !== of) last = { of, answer: await ask(asked) };
  const own = new Map([...last.answer.inputs, { name: "dy", rows: last.answer.dy }].map((x) => [x.name, x.rows]));
  const inputs = {};
  for (const [input, cells] of changed) {
    if (!own.has(input)) continue; // of another operator, in an address made by hand
    const numbers = withCells(own.get(input), cells);
    if (input === "dy") asked.dy = numbers;
    else inputs[input] = numbers;
  }
  return { ...asked, inputs };
}

/** Shows elements in a place, and moves none that is there already: what is moved loses the keyboard. */
function place(parent, elements) {
  const same = parent.children.length === elements.length;
  if (!same || elements.some((element, at) => parent.children[at] !== element)) parent.replaceChildren(...elements);
}

/** Matrices by a name, made when they are first asked for. */
function matrices(make) {
  const made = new Map();
  return (key) => {
    if (!made.has(key)) made.set(key, make(key));
    return made.get(key);
  };
}

/** The inputs and dy, which can be changed. */
function inputMatrices(page, change) {
  const of = matrices((name) => {
    const matrix = new Matrix({
      id: `in.${name}`,
      name,
      edit(i, j, value) {
        const all = page.state.operator.cells;
        const cells = new Map(all[name]);
        if (value === null) cells.delete(`${i}.${j}`);
        else cells.set(`${i}.${j}`, value);
        change({ cells: { ...all, [name]: cells } }, matrix.element);
      },
    });
    return matrix;
  });
  const panels = el("div", { class: "panels" });
  return {
    element: el("section", { class: "inputs", "aria-label": "Inputs and dy" }, panels, el("p", { class: "hint" }, HELP)),
    show({ inputs, dy }, { cells }) {
      const all = [...inputs, { name: "dy", rows: dy }];
      for (const { name, rows } of all) {
        const changed = [...(cells[name]?.keys() ?? [])].map((place) => [place, { text: "changed" }]);
        of(name).show(rows, { marks: { cells: new Map(changed) } });
      }
      place(panels, all.map(({ name }) => of(name).element));
    },
  };
}

/** What finite differences say of all gradients together. */
function verdicts() {
  const told = el("p", { role: "status" });
  const held = el("p", { class: "hint" });
  return {
    element: el("section", { "aria-label": "Finite differences" }, told, held),
    show({ gradients, compared, most_compared, held: why }) {
      held.textContent = why ?? "";
      const all = gradients.filter(({ finite }) => finite !== null);
      if (!all.length) {
        told.className = "hint";
        told.textContent = `More than ${whole(most_compared)} numbers: not compared with finite differences.`;
        return;
      }
      const wrong = all.reduce((count, { finite }) => count + finite.wrong.length, 0);
      const error = ({ finite }) => finite.largest.finite.error ?? Infinity;
      const worst = all.reduce((a, b) => (error(b) > error(a) ? b : a));
      const { row, col, finite } = worst.finite.largest;
      told.className = wrong ? "wrong" : "right";
      told.replaceChildren(
        wrong
          ? `✗ ${whole(wrong)} of ${whole(compared)} numbers do not agree with finite differences, or stand beside a ` +
              "kink; the largest error is "
          : `✓ All ${whole(compared)} numbers agree with finite differences; the largest error is `,
        number(finite.error, 2),
        ` at d${worst.of}[${row}, ${col}].`,
      );
    },
  };
}

/** The value. */
function values() {
  const matrix = new Matrix({ id: "value", name: "y" });
  return {
    element: el("section", { "aria-label": "Value", "data-part": "y" }, el("h2", {}, "Value"), matrix.element),
    show: ({ y }) => matrix.show(y),
  };
}

/** The cotangent of every input, finite differences, and how far these are apart. */
function gradients() {
  const of = matrices((input) => {
    const made = (id, name, label) => new Matrix({ id: `${id}.${input}`, name, label: `${label} d${input}` });
    const gradient = made("gradient", `d${input}`, "gradient");
    const differences = made("differences", "finite differences", "finite differences of");
    const error = made("error", "apart", `d${input} minus finite differences,`);
    beside([gradient, differences, error]);
    const verdict = el("p", { class: "hint" });
    const panels = [gradient, differences, error].map(({ element }) => element);
    const heading = el("h2", {}, `Gradient d${input}`);
    const element = el("section", { "data-part": input }, heading, el("div", { class: "panels" }, ...panels), verdict);
    element.setAttribute("aria-label", `Gradient d${input}`);
    return { element, gradient, differences, error, verdict };
  });
  const element = el("div", { class: "results gradients" });
  return {
    element,
    show({ gradients }) {
      for (const { of: input, rows, finite } of gradients) {
        const { gradient, differences, error, verdict } = of(input);
        const wrong = (finite?.wrong ?? []).map(({ row, col }) => [
          `${row}.${col}`,
          { wrong: true, text: "wrong by finite differences" },
        ]);
        const range = largest(rows, finite?.differences ?? []);
        gradient.show(rows, { range, marks: { cells: new Map(wrong) } });
        for (const { element } of [differences, error]) show(element, finite !== null);
        show(verdict, finite !== null);
        if (!finite) continue;
        differences.show(finite.differences, { range });
        error.show(minus(rows, finite.differences));
        const { row, col, finite: at } = finite.largest;
        const where = at.error === 0 ? "" : ` at [${row}, ${col}]`;
        verdict.replaceChildren("largest error ", number(at.error, 2), where);
      }
      place(element, gradients.map(({ of: input }) => of(input).element));
    },
  };
}

/** Gradients part by part. */
function sums() {
  const of = matrices((name) => new Matrix({ id: `part.${name}`, name }));
  const title = el("h2");
  const panels = el("div", { class: "panels sum" });
  const told = el("p", { class: "hint" });
  const element = el("section", { "aria-label": "Parts of a gradient" }, title, panels, told);
  return {
    element,
    show({ sums: [sum] }) {
      show(element, sum !== undefined);
      if (!sum) return;
      title.textContent = `d${sum.of} as the sum of its ${["", "", "two", "three"][sum.parts.length]} parts`;
      const range = largest(...sum.parts.map(({ rows }) => rows), sum.sum);
      const all = [...sum.parts, { name: `their sum`, rows: sum.sum }];
      for (const { name, rows } of all) of(name).show(rows, { range });
      beside(all.map(({ name }) => of(name)));
      place(panels, all.map(({ name }) => of(name).element));
      told.replaceChildren(
        `Computed by the formula; the sum and d${sum.of} of the tape are at most `,
        number(sum.largest_difference, 2),
        " apart.",
      );
    },
  };
}

/** What is constant: S, a mask, probabilities; and what was drawn. */
function constants() {
  const of = matrices((name) => new Matrix({ id: `constant.${name}`, name }));
  const panels = el("div", { class: "panels" });
  const list = el("ul", { class: "draws" });
  const element = el("section", { class: "inside", "aria-label": "Constants" }, el("h2", {}, "Constants"), panels, list);
  return {
    element,
    show({ shown, draws }) {
      const names = Object.keys(draws);
      show(element, shown.length + names.length > 0);
      for (const { name, rows } of shown) of(name).show(rows);
      place(panels, shown.map(({ name }) => of(name).element));
      const line = (name) => {
        const { indices, numbers } = draws[name];
        const drawn = indices ? indices.join(", ") || "none" : `${whole(numbers.length)} numbers`;
        return el("li", {}, el("span", { class: "name" }, name), el("span", {}, `drawn: ${drawn}`));
      };
      list.replaceChildren(...names.map(line));
    },
  };
}

/** What it keeps and computes, node by node where there are several. */
function costs() {
  const told = el("p");
  const table = el("table");
  const cell = (text) => el("td", {}, text);
  return {
    element: el("section", { "aria-label": "Cost" }, el("h2", {}, "Cost"), told, el("div", { class: "scroll" }, table)),
    show({ nodes, saved_bytes, multiply_adds, written }) {
      const [forward, backward] = multiply_adds.map(whole);
      told.replaceChildren(
        `It keeps ${whole(saved_bytes)} bytes for backward and takes ${forward} multiply-adds of products forward, ` +
          `${backward} backward; it is written in `,
        el("code", {}, `${written.file}:${written.line}`),
        ".",
      );
      show(table, nodes.length > 1);
      const head = ["node", "shape", "bytes kept", "multiply-adds", "written"].map((name) => el("th", {}, name));
      const row = ({ operator, shape, saved_bytes, multiply_adds, written }) =>
        el(
          "tr",
          {},
          el("th", { scope: "row" }, operator),
          cell(shape.join(" × ")),
          cell(whole(saved_bytes)),
          cell(multiply_adds.map(whole).join(", ")),
          el("td", {}, el("code", {}, `${written.file}:${written.line}`)),
        );
      table.replaceChildren(el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...nodes.map(row)));
    },
  };
}
