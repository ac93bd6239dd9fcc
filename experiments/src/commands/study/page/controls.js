// The choices at the head of the room of a method: which methods, how large, from which seed, in which numbers.

import { ask } from "./ask.js";
import { button, el, select, show } from "./dom.js";
import { methodOf, sides } from "./scene.js";
import { MATRICES, usual } from "./state.js";

const field = (label, control, ...more) =>
  el("div", { class: "field" }, el("label", {}, el("span", {}, label), control), ...more);

/** Refusals are told where the choice was made. */
const placeOf = ({ target }) => target.closest(".field, .line");

export function controls(page) {
  const choice = (name, values = []) =>
    select(values, { onchange: (event) => page.change({ [name]: event.target.value }, placeOf(event)) });
  const number = (name, min, max, value = Number) =>
    el("input", {
      type: "number",
      min,
      max,
      onchange(event) {
        const text = event.target.value;
        if (text !== "") page.change({ [name]: value(text) }, placeOf(event));
      },
    });
  const act = (text, change, more) => button(text, (event) => page.change(change(page.state), placeOf(event)), more);

  const methods = { a: choice("attn"), b: choice("other") };
  const about = { a: el("p", { class: "hint" }), b: el("p", { class: "hint" }) };
  const inputs = {
    n: number("n", 1, 64),
    p: number("p", 1, 64),
    features: number("features", 1, 4096),
    seed: number("seed", 0),
    draws: number("draws", 0, undefined, (text) => (Number(text) === page.state.seed ? null : Number(text))),
    precision: choice("precision", ["f64", "f32"]),
  };
  const again = act("Draw again", ({ draws, seed }) => ({ draws: (draws ?? seed) + 1 }), {
    title: "The same Q, K, V and dy, another seed for all draws",
  });
  const undo = act("Undo changes", () => ({ cells: usual().cells, given: usual().given, draws: null }));
  const places = {
    a: field("method", methods.a, about.a),
    b: field("beside it", methods.b, about.b),
    numbers: el(
      "div",
      { class: "line" },
      field("n", inputs.n),
      field("p", inputs.p),
      field("features d", inputs.features),
      field("seed", inputs.seed),
      field("seed of draws", inputs.draws),
      field("computes in", inputs.precision),
      act("New numbers", ({ seed }) => ({ seed: seed + 1 })),
      again,
      undo,
    ),
  };
  const element = el(
    "form",
    { class: "controls", "aria-label": "What is shown", onsubmit: (event) => event.preventDefault() },
    ...Object.values(places),
  );

  let known = new Map();
  ask({ ask: "methods" }).then(
    (list) => {
      known = new Map(list.map((method) => [method.name, method]));
      methods.a.replaceChildren(...byPaper(list));
      methods.b.replaceChildren(el("option", { value: "" }, "no second method"), ...byPaper(list));
      update(page.state);
    },
    () => {}, // the question about the method itself is refused as well, and says so
  );

  function update(state) {
    for (const side of ["a", "b"]) {
      const name = methodOf(state, side);
      // A name that the list does not have is shown too: its question is refused, and says which there are.
      if (name && known.size && !known.has(name)) methods[side].append(el("option", { value: name }, name));
      methods[side].value = name;
      const method = known.get(name);
      about[side].textContent = method ? `${method.about} (${method.cites}), ${method.time}` : "";
    }
    for (const [name, input] of Object.entries(inputs)) input.value = state[name] ?? state.seed;
    again.disabled = known.size > 0 && !sides(state).some((side) => known.get(methodOf(state, side))?.random);
    const { cells, given, draws } = state;
    show(undo, draws !== null || given.a.size + given.b.size > 0 || MATRICES.some((name) => cells[name].size > 0));
  }
  return { element, update, places };
}

/** Options, those of one paper together. */
function byPaper(list) {
  const paper = ({ cites }) => cites.split(/[,(;]/)[0].trim();
  const option = ({ name }) => el("option", { value: name }, name);
  return [...new Set(list.map(paper))].map((label) =>
    el("optgroup", { label }, ...list.filter((method) => paper(method) === label).map(option)),
  );
}
