// The room of a method: what it does to V and what its gradients are, beside exact attention and, if wished, beside a
// second method on the same Q, K, V and dy. Every change goes through the state; what is asked follows from it.

import { ask, newest } from "./ask.js";
import { checkPanel } from "./check.js";
import { controls } from "./controls.js";
import { el, refusalLine, show } from "./dom.js";
import { drawsPanel, marksOf } from "./draws.js";
import { entryPanel } from "./entry.js";
import { beside, HELP, Matrix } from "./matrix.js";
import { largest, minus, whole } from "./number.js";
import { redrawsPanel } from "./redraws.js";
import { numbers, scenes, sides } from "./scene.js";
import { MATRICES } from "./state.js";

const SYMBOLS = { q: "Q", k: "K", v: "V", dy: "dy", weights: "W", y: "y", dq: "dQ", dk: "dK", dv: "dV" };
const GRADIENTS = ["dq", "dk", "dv"];

/** `page.state` is the state, `page.change(change, place)` changes it; what is refused of it is told at that place. */
export function methodRoom(page) {
  const choices = controls(page);
  const inputs = inputMatrices(page);
  const quantities = [
    quantity("weights", "Attention W", "(n, n), y = W V at these draws"),
    quantity("y", "Output y", "(n, p)"),
    ...GRADIENTS.map((part) => quantity(part, `Gradient ${SYMBOLS[part]}`, "(n, p), entries open", open)),
  ];
  const insides = { a: inside(page, "a"), b: inside(page, "b") };
  let answers = null; // { of, list }: to which scenes, and one for each side
  let wrong = null; // what the last check found, a list for each side
  const check = checkPanel(page, (found) => {
    wrong = found;
    for (const quantity of quantities) quantity.show(answers.list, wrong);
  });
  const redraws = redrawsPanel(page);
  let opened = null; // the matrix from which a number was opened takes the keyboard back
  const entry = entryPanel(() => {
    page.change({ entry: null }, entry.element);
    opened?.stand(opened.at, true);
  });
  const updateEntry = newest(entry.update);
  const refusal = refusalLine();

  function open(side, part, [row, col], matrix) {
    opened = matrix;
    page.change({ entry: { side, of: part.slice(1), row, col } }, matrix.element);
    entry.focus();
    entry.element.scrollIntoView({ block: "nearest" });
  }

  const results = el(
    "div",
    { class: "results" },
    ...[...quantities, insides.a, insides.b, check, redraws].map(({ element }) => element),
  );
  const columns = el("div", { class: "columns" }, inputs.element, results);
  const element = el("div", { class: "method" }, choices.element, columns);

  const refresh = newest(async (state, place, replaced) => {
    element.setAttribute("aria-busy", "true");
    let at = choices.places.numbers;
    try {
      const given = await numbers(state);
      // Where a newer change waits, Q, K, V and dy already show it.
      if (!replaced()) inputs.show(given, state);
      const asked = await scenes(state);
      const of = JSON.stringify(asked);
      if (answers?.of !== of) {
        const list = [];
        for (const [which, scene] of asked.entries()) {
          at = choices.places["ab"[which]];
          list.push(await ask({ ask: "method", ...scene }));
        }
        // Shown even then: this answer is newer than the picture.
        answers = { of, list };
        for (const quantity of quantities) quantity.show(list, wrong);
        sides(state).forEach((side, which) => insides[side].show(list[which], state));
        show(insides.b.element, list.length > 1);
      }
      updateEntry(state);
      refusal.clear();
      results.classList.remove("stale");
    } catch (error) {
      results.classList.add("stale");
      (place ?? at).append(refusal.element);
      refusal.tell(error);
    }
    if (!replaced()) element.setAttribute("aria-busy", "false");
  });

  return {
    element,
    title: ({ attn, other }) =>
      `${[attn, other].filter(Boolean).join(" and ")}: attention and its gradients, beside the exact ones`,
    update(state, place) {
      choices.update(state);
      show(entry.element, state.entry !== null);
      const under = state.entry && quantities.find(({ part }) => part === "d" + state.entry.of).element;
      // Only where it moves: what is moved loses the keyboard.
      if (under && entry.element.parentNode !== under) under.append(entry.element);
      check.update(state);
      redraws.update(state);
      return refresh(state, place);
    },
  };
}

/** Q, K, V and dy, which can be changed. */
function inputMatrices(page) {
  const editable = (name) => {
    const matrix = new Matrix({
      id: name,
      name: SYMBOLS[name],
      edit(i, j, value) {
        const cells = new Map(page.state.cells[name]);
        if (value === null) cells.delete(`${i}.${j}`);
        else cells.set(`${i}.${j}`, value);
        page.change({ cells: { ...page.state.cells, [name]: cells } }, matrix.element);
      },
    });
    return matrix;
  };
  const matrices = MATRICES.map(editable);
  const element = el(
    "section",
    { class: "inputs", "aria-label": "Q, K, V and dy" },
    el("div", { class: "panels" }, ...matrices.map((matrix) => matrix.element)),
    el("p", { class: "hint" }, HELP),
  );
  return {
    element,
    show(numbers, state) {
      MATRICES.forEach((name, at) => {
        const changed = [...state.cells[name].keys()].map((place) => [place, { text: "changed" }]);
        matrices[at].show(numbers[name], { marks: { cells: new Map(changed) } });
      });
    },
  };
}

/** One quantity of both methods beside the exact one. */
function quantity(part, title, hint, open) {
  const symbol = SYMBOLS[part];
  const matrix = (id, side) => {
    const made = new Matrix({ id: `${id}.${part}`, open: open && ((...place) => open(side, part, place, made)) });
    return made;
  };
  const exact = matrix("exact", "a");
  exact.rename("exact", `${symbol} of exact attention`);
  const of = {};
  for (const side of ["a", "b"]) {
    of[side] = { method: matrix(side, side), difference: matrix(`${side}.difference`, side) };
    if (GRADIENTS.includes(part)) of[side].cosine = new Matrix({ id: `${side}.cosine.${part}` });
  }
  beside([exact, ...Object.values(of.a), ...Object.values(of.b)]);

  // The exact one stands with the first method; the matrices of a method stay together where lines break.
  const none = { a: el("p", { class: "none" }), b: el("p", { class: "none" }) };
  const panels = ["a", "b"].map((side) => {
    const { method, ...others } = of[side];
    const matrices = [method, ...(side === "a" ? [exact] : []), ...Object.values(others)];
    return el("div", { class: "panels" }, none[side], ...matrices.map(({ element }) => element));
  });
  const heading = el("h2", {}, title, " ", el("small", {}, hint));
  const body = el("div", { class: "panels" }, ...panels);
  const element = el("section", { "aria-label": title, "data-part": part }, heading, body);

  function showSide(side, answer, range, wrong) {
    const { attn, method, exact, cosines } = answer;
    const rows = method[part];
    const { difference, cosine } = of[side];
    for (const { element } of Object.values(of[side])) show(element, rows !== null);
    none[side].textContent = rows ? "" : `The output of ${attn} is no matrix times V, so there is no matrix to show.`;
    if (!rows) return;
    of[side].method.rename(attn, `${symbol} of ${attn}`);
    difference.rename(`${attn} − exact`, `${symbol} of ${attn} minus exact`);
    cosine?.rename("cosine", `cosine of rows of ${symbol} of ${attn} and exact`);
    const { marks, bars } = part === "weights" ? marksOf(answer) : { marks: {}, bars: null };
    const here = wrong.filter(({ of }) => "d" + of === part);
    const cells = here.map(({ row, col }) => [`${row}.${col}`, { wrong: true, text: "wrong by finite differences" }]);
    of[side].method.show(rows, { range, bars, marks: { ...marks, cells: new Map(cells) } });
    difference.show(minus(rows, exact[part]));
    cosine?.show(cosines[part].map((x) => [x]), { range: 1 });
  }

  return {
    part,
    element,
    show(list, wrong) {
      const range = largest(list[0].exact[part], ...list.map(({ method }) => method[part]));
      exact.show(list[0].exact[part], { range });
      ["a", "b"].forEach((side, at) => {
        show(panels[at], at < list.length);
        if (at < list.length) showSide(side, list[at], range, wrong?.[at] ?? []);
      });
    },
  };
}

/** What a method has drawn, what it tells of its inside, each part a small heat map, and what it costs. */
function inside(page, side) {
  const draws = drawsPanel(page, side);
  const title = el("h3");
  const panels = el("div", { class: "panels" });
  const facts = el("p", { class: "hint" });
  const matrices = new Map();
  // There is one head, so that its number says nothing.
  const short = (name) => name.replace(/\.head0$/, "");
  return {
    element: el("section", { class: "inside" }, draws.element, el("div", {}, title, panels), facts),
    show(answer, state) {
      const { attn, notes, saved_bytes, multiply_adds, written } = answer;
      draws.show(answer, state);
      const seen = notes.filter(({ rows }) => rows.length > 0 && rows[0].length > 0);
      title.textContent = seen.length ? `Inside ${attn}` : "";
      const shown = seen.map(({ name, rows }) => {
        if (!matrices.has(name)) {
          matrices.set(name, new Matrix({ id: `${side}.note.${short(name)}`, name: short(name) }));
        }
        matrices.get(name).show(rows);
        return matrices.get(name).element;
      });
      // Only where it changes: what is moved loses the keyboard.
      if (shown.some((element, at) => panels.children[at] !== element) || panels.children.length !== shown.length) {
        panels.replaceChildren(...shown);
      }
      const [forward, backward] = multiply_adds.map(whole);
      facts.textContent =
        `${attn} keeps ${whole(saved_bytes)} bytes for backward and takes ${forward} multiply-adds forward, ` +
        `${backward} backward; it is written in ${written.file}:${written.line}.`;
    },
  };
}
