// What a method has drawn: marks on the attention matrix, and lists of indices of which each can be exchanged.

import { button, el, select, show } from "./dom.js";
import { format } from "./number.js";

/** There is one document, one layer and one head, so that their numbers say nothing. */
const short = (name) => name.replace(/\.doc0\.layer0\.head0$/, "");

/** The names of draws that are rows or columns of the attention matrix, and what one of them is called. */
const ROWS = { pilot: "pilot row" };
const COLUMNS = { columns: "sampled column", samples: "sampled column" };

const MARKED =
  " In the attention matrix ▸ marks the pilot rows, ▾ the sampled columns; bars are the probabilities of columns.";

/** Marks of rows and columns, and the probabilities of columns as bars. */
export function marksOf({ draws, q }) {
  const marks = { rows: new Map(), cols: new Map() };
  let bars = null;
  for (const [name, { indices, numbers }] of Object.entries(draws)) {
    const kind = short(name);
    for (const index of indices ?? []) {
      if (ROWS[kind]) marks.rows.set(index, ROWS[kind]);
      if (COLUMNS[kind]) marks.cols.set(index, COLUMNS[kind]);
    }
    if (kind === "probabilities" && numbers?.length === q.length) bars = numbers;
  }
  return { marks, bars };
}

/** The draws of one side. */
export function drawsPanel(page, side) {
  const title = el("h3");
  const list = el("ul", { class: "draws" });
  const key = el("p", { class: "hint" });
  const element = el("div", {}, title, key, list);

  const give = (name, indices) => {
    const given = new Map(page.state.given[side]);
    if (indices) given.set(name, indices);
    else given.delete(name);
    page.change({ given: { ...page.state.given, [side]: given } }, element);
  };

  /** In place of an index, a list of those that could be there. */
  function exchange(place, name, indices, at, { bound, distinct }) {
    let gone = false;
    const back = (focus) => {
      if (gone) return;
      gone = true; // what follows takes the focus from the list, which comes back here
      choice.replaceWith(place);
      if (focus) place.focus();
    };
    const choice = select(Array.from({ length: bound }, (_, index) => index), {
      "aria-label": `${short(name)}, place ${at}`,
      onchange: () => {
        back(true);
        give(name, indices.with(at, Number(choice.value)));
      },
      onblur: () => back(false),
      onkeydown: (event) => event.key === "Escape" && back(true),
    });
    choice.value = indices[at];
    for (const [index, option] of [...choice.options].entries()) {
      option.disabled = distinct && index !== indices[at] && indices.includes(index);
    }
    place.replaceWith(choice);
    choice.focus();
  }

  function line(name, { indices, numbers }, rule, state) {
    const label = el("span", { class: "name", title: name }, short(name));
    if (numbers) {
      return el("li", {}, label, `${numbers.length} numbers, the largest ${format(Math.max(...numbers), 3)}`);
    }
    const places = indices.map((index, at) => {
      const about = `${short(name)}, place ${at}: ${index}, exchange`;
      const change = () => exchange(place, name, indices, at, rule);
      const place = button(String(index), change, { "data-draw": `${name} ${at}`, "aria-label": about });
      return place;
    });
    const given = state.given[side].has(name);
    const release = given ? [button("as drawn", () => give(name, null))] : [];
    return el("li", given ? { class: "given" } : {}, label, el("span", { class: "tokens" }, ...places), ...release);
  }

  return {
    element,
    show({ attn, draws, rules }, state) {
      const names = Object.keys(draws);
      show(element, names.length > 0);
      title.textContent = `Draws of ${attn}`;
      const marked = names.some((name) => ROWS[short(name)] || COLUMNS[short(name)]);
      key.textContent = "An index opens, and can be exchanged." + (marked ? MARKED : "");
      const focused = document.activeElement?.dataset?.draw;
      list.replaceChildren(...names.map((name) => line(name, draws[name], rules[name], state)));
      const places = [...list.querySelectorAll("[data-draw]")];
      if (focused) places.find((place) => place.dataset.draw === focused)?.focus();
    },
  };
}
