// One node of a tape: its norms, value and cotangent as heat maps, what it was computed from and what from it, what it
// saves and costs, what it notes of its inside, and its source.

import { el, refusalLine, select, show } from "./dom.js";
import { largest, format, whole } from "./number.js";
import { beside, Matrix } from "./matrix.js";
import { sourcePanel } from "./source.js";
import { workLine } from "./work.js";

const KINDS = ["mean", "min", "max"];

/** `go(number)` opens another node. */
export function nodePanel(go, close) {
  const title = el("h3", { tabindex: "-1" });
  const facts = el("dl");
  const work = workLine("tape", "steps");
  const refusal = refusalLine();
  const pictures = el("div", { class: "panels" });
  const kind = select(KINDS, { "aria-label": "What a tile shows", onchange: () => paint() });
  const kinds = el("label", {}, "a tile shows its ", kind);
  const source = sourcePanel();
  const element = el(
    "aside",
    { class: "entry node", "aria-label": "One node", onkeydown: ({ key }) => key === "Escape" && close() },
    el("div", { class: "line" }, title, el("button", { type: "button", onclick: close }, "Close")),
    facts,
    work.element,
    refusal.element,
    kinds,
    pictures,
    source.element,
  );
  const matrices = new Map();
  const matrix = (id, name) => {
    if (!matrices.has(id)) matrices.set(id, new Matrix({ id, name, pixels: 400 }));
    return matrices.get(id);
  };
  beside([matrix("node.value", "value y"), matrix("node.gradient", "cotangent dy")]);

  const link = (nodes, number) => {
    const { operator, parameter } = nodes[number];
    return el(
      "button",
      { type: "button", class: "link", onclick: () => go(number) },
      `#${number} ${parameter ?? operator}`,
    );
  };
  const links = (nodes, numbers) =>
    numbers.length ? numbers.flatMap((number) => [link(nodes, number), " "]) : ["none"];

  function describe(nodes, number) {
    const node = nodes[number];
    const children = nodes.filter(({ parents }) => parents.includes(number)).map((child) => child.number);
    title.textContent = `#${number} ${node.parameter ?? node.operator}`;
    const [forward, backward] = node.multiply_adds.map(whole);
    const rows = {
      operator: [node.operator],
      shape: [node.shape.join(" × ")],
      "|y|": [
        el("data", { value: format(node.value_norm), title: format(node.value_norm) }, format(node.value_norm, 6)),
      ],
      "|dy|": [
        node.gradient_norm === null
          ? "no gradient reaches it"
          : el(
              "data",
              { value: format(node.gradient_norm), title: format(node.gradient_norm) },
              format(node.gradient_norm, 6),
            ),
      ],
      "computed from": links(nodes, [...new Set(node.parents)]),
      "goes into": links(nodes, children),
      "saved for backward": [`${whole(node.saved_bytes)} bytes`],
      "multiply-adds": [`${forward} forward, ${backward} backward`],
    };
    facts.replaceChildren(
      ...Object.entries(rows).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, ...value)]),
    );
    source.show(node.written);
  }

  let numbers = null; // the answer
  function one(id, name, tiles) {
    const made = matrix(id, name);
    const [height, width] = tiles.tile;
    const isWhole = height * width === 1;
    const rows = tiles[isWhole ? "mean" : kind.value];
    const more = (i, j) => {
      if (isWhole) return [];
      const range = (at, size, all) => (size === 1 ? `${at}` : `${at * size}–${Math.min(all, (at + 1) * size) - 1}`);
      const place = `${kind.value} of rows ${range(i, height, tiles.rows)}, columns ${range(j, width, tiles.cols)}`;
      return [place, `${format(tiles.min[i][j], 4)} to ${format(tiles.max[i][j], 4)}`];
    };
    made.show(rows, { more, range: largest(rows) });
    made.shape.textContent = `${tiles.rows} × ${tiles.cols}` + (isWhole ? "" : `, tiles of ${height} × ${width}`);
    return made.element;
  }
  function paint() {
    if (!numbers) return;
    const { value, gradient, notes } = numbers;
    const isLarge = (tiles) => tiles && tiles.tile[0] * tiles.tile[1] > 1;
    show(kinds, [value, gradient, ...notes.map(([, tiles]) => tiles)].some(isLarge));
    const shown = [one("node.value", "value y", value)];
    if (gradient) shown.push(one("node.gradient", "cotangent dy", gradient));
    // Two documents may note the same name.
    notes.forEach(([name, tiles], at) => tiles.rows * tiles.cols && shown.push(one(`node.note.${at}`, name, tiles)));
    notes.forEach(([name], at) => matrices.get(`node.note.${at}`)?.rename(name, name));
    pictures.replaceChildren(...shown);
  }

  return {
    element,
    focus: () => title.focus(),
    /** Shows a node of the tape that `question` is answered by. */
    async update(nodes, number, question) {
      describe(nodes, number);
      refusal.clear();
      pictures.classList.add("stale");
      try {
        const answer = await work.ask({ ...question, node: number });
        if (!answer) return;
        numbers = answer;
        paint();
        pictures.classList.remove("stale");
      } catch (error) {
        refusal.tell(error);
      }
    },
  };
}
