// The choices at the head of the room of an operator: which one, how large, its settings, from which seed.

import { ask } from "./ask.js";
import { button, el, select, show } from "./dom.js";

/** Refusals are told where the choice was made. */
const placeOf = ({ target }) => target.closest(".field, .line");

const field = (label, control) => el("div", { class: "field" }, el("label", {}, el("span", {}, label), control));

/** `change(change, place)` changes the state of the room. */
export function operatorControls(page, change) {
  const state = () => page.state.operator;
  const number = (name, range, put) =>
    el("input", {
      type: "number",
      ...range,
      onchange(event) {
        if (event.target.value !== "") change(put(Number(event.target.value)), placeOf(event));
      },
    });
  const name = select([], { onchange: (event) => change({ name: event.target.value }, placeOf(event)) });
  const about = el("p", { class: "hint" });
  const takes = el("p", { class: "takes" });
  const inputs = {
    rows: number("rows", {}, (rows) => ({ rows })),
    columns: number("columns", {}, (columns) => ({ columns })),
    seed: number("seed", { min: 0 }, (seed) => ({ seed })),
    draws: number("draws", { min: 0 }, (draws) => ({ draws: draws === state().seed ? null : draws })),
  };
  const settings = el("div", { class: "line" });
  const act = (text, of, more) => button(text, (event) => change(of(state()), placeOf(event)), more);
  const again = act("Draw again", ({ draws, seed }) => ({ draws: (draws ?? seed) + 1 }), {
    title: "The same inputs and dy, another seed for all draws",
  });
  const undo = act("Undo changes", () => ({ cells: {}, draws: null }));
  const draws = field("seed of draws", inputs.draws);
  const element = el(
    "form",
    { class: "controls", "aria-label": "What is shown", onsubmit: (event) => event.preventDefault() },
    el("div", { class: "field wide" }, el("label", {}, el("span", {}, "operator"), name), about, takes),
    el(
      "div",
      { class: "line" },
      field("rows", inputs.rows),
      field("columns", inputs.columns),
      settings,
      field("seed", inputs.seed),
      draws,
      act("New numbers", ({ seed }) => ({ seed: seed + 1 })),
      again,
      undo,
    ),
  );

  let known = new Map();
  let shown = null; // the operator whose settings are there
  ask({ ask: "operators" }).then(
    (list) => {
      known = new Map(list.map((operator) => [operator.name, operator]));
      const groups = [...new Set(list.map(({ group }) => group))];
      const option = ({ name }) => el("option", { value: name }, name);
      const group = (label) => el("optgroup", { label }, ...list.filter((x) => x.group === label).map(option));
      name.replaceChildren(...groups.map(group));
      update(state());
    },
    () => {}, // the question about the operator itself is refused as well, and says so
  );

  /** The controls of an operator's settings. */
  function settle(operator) {
    shown = operator.name;
    const control = ({ name, range, whole, words }) => {
      const put = (value) => ({ settings: { ...state().settings, [name]: value } });
      const made = range
        ? number(name, { min: range[0], max: range[1], step: whole ? 1 : "any" }, put)
        : select(words, { onchange: (event) => change(put(event.target.value), placeOf(event)) });
      made.dataset.setting = name;
      return field(name, made);
    };
    settings.replaceChildren(...operator.settings.map(control));
    show(settings, operator.settings.length > 0);
    for (const size of ["rows", "columns"]) {
      const { least, most } = operator[size];
      Object.assign(inputs[size], { min: least, max: most, disabled: least === most });
    }
    for (const element of [draws, again]) show(element, operator.random);
    about.textContent = operator.about;
    takes.textContent = operator.takes;
  }

  /** Follows the state. */
  function update(state) {
    // A name that the list does not have is shown too: its question is refused, and says which there are.
    if (known.size && !known.has(state.name)) name.append(el("option", { value: state.name }, state.name));
    name.value = state.name;
    const operator = known.get(state.name);
    if (operator && shown !== operator.name) settle(operator);
    inputs.seed.value = state.seed;
    inputs.draws.value = state.draws ?? state.seed;
    for (const size of ["rows", "columns"]) inputs[size].value = state[size] ?? operator?.[size].usual ?? "";
    for (const { dataset } of settings.querySelectorAll("[data-setting]")) {
      const usual = operator?.settings.find(({ name }) => name === dataset.setting)?.usual;
      put(dataset.setting, state.settings[dataset.setting] ?? usual);
    }
    show(undo, state.draws !== null || Object.values(state.cells).some((cells) => cells.size > 0));
  }

  function put(name, value) {
    const control = settings.querySelector(`[data-setting="${CSS.escape(name)}"]`);
    if (control && value !== undefined) control.value = value;
  }

  return {
    element,
    update,
    /** Sizes and settings as they were taken: what is usual may follow from another. */
    show({ rows, columns, settings }) {
      [inputs.rows.value, inputs.columns.value] = [rows, columns];
      for (const [name, value] of Object.entries(settings)) put(name, value);
    },
  };
}
