// The nodes of a tape in the order in which they were computed, by layers: a line a node, with bars for |dy| and |y|, and
// arcs at the side where a value goes further than to the next line. The arrow keys go through the lines.

import { el, svg } from "./dom.js";
import { format } from "./number.js";

/** The layer of a parameter: `transformer_0` of `model.transformer_0.mha.W_q.weight`. */
const layerOf = (name) => name.replace(/^model\./, "").split(".")[0];

/**
 * Sections of nodes: a node is of the layer of its parameters, or else of the latest layer that it was computed from.
 */
export function sections(nodes) {
  const layers = []; // by first appearance of a parameter
  const rank = (layer) => layers.indexOf(layer);
  const of = nodes.map(() => null);
  const made = [];
  for (const { number, parameter, parents } of nodes) {
    if (parameter) {
      of[number] = layerOf(parameter);
      if (!layers.includes(of[number])) layers.push(of[number]);
      continue;
    }
    const own = parents.filter((parent) => nodes[parent].parameter).map((parent) => of[parent]);
    const before = own.length ? own : parents.map((parent) => of[parent]);
    of[number] = before.reduce((last, layer) => (rank(layer) > rank(last) ? layer : last), before[0] ?? "inputs");
    if (made.at(-1)?.layer !== of[number]) made.push({ layer: of[number], operators: [], parameters: [] });
    made.at(-1).operators.push(number);
  }
  for (const { number, parameter } of nodes) {
    if (!parameter) continue;
    // To the first section of its layer; what no operator uses has one of its own.
    let section = made.find(({ layer }) => layer === of[number]);
    if (!section) made.push((section = { layer: of[number], operators: [], parameters: [] }));
    section.parameters.push(number);
  }
  return made;
}

/** `open(number)` is called for the node that is chosen. */
export function graph(open) {
  const arcs = svg("svg", { class: "arcs", "aria-hidden": "true" });
  const body = el("div", { class: "sections" });
  const element = el("div", { class: "graph" }, arcs, body);
  let nodes = [];
  let rows = new Map();
  let chosen = null;

  function bar(x, [least, most], name) {
    const inner = el("i");
    const share = x > 0 ? Math.max(0.04, Math.min(1, 0.04 + (0.96 * (Math.log(x) - least)) / (most - least || 1))) : 0;
    inner.style.width = `${100 * share}%`;
    return [
      el("span", { class: `strip ${name}` }, inner),
      el("data", { value: format(x), title: format(x) }, format(x, 3)),
    ];
  }
  function line(node, ends) {
    const { number, operator, parameter, shape, value_norm, gradient_norm } = node;
    const norms = `norm of the gradient ${format(gradient_norm, 3)}, of the value ${format(value_norm, 3)}`;
    const label = `${number}: ${parameter ?? operator}, ${shape.join(" by ")}, ${norms}`;
    const name = parameter
      ? parameter
          .replace(/^model\./, "")
          .split(".")
          .slice(1)
          .join(".") || parameter
      : operator;
    return el(
      "button",
      {
        type: "button",
        class: "row",
        tabindex: "-1",
        "data-node": number,
        "aria-label": label,
        onclick: () => open(number),
      },
      el("span", { class: "number" }, `#${number}`),
      el("span", { class: "name", title: parameter ?? operator }, name),
      el("span", { class: "shape" }, shape.join(" × ")),
      ...bar(gradient_norm, ends.gradient, "gradient"),
      ...bar(value_norm, ends.value, "value"),
    );
  }
  const ends = (numbers) => {
    const logs = numbers.filter((x) => x > 0).map(Math.log);
    return [Math.min(...logs), Math.max(...logs)];
  };
  const heading = () =>
    el(
      "div",
      { class: "row head", "aria-hidden": "true" },
      ...["#", "operator", "shape"].map((text) => el("span", {}, text)),
      el("span", { class: "of-bar" }, "|dy|"),
      el("span", { class: "of-bar" }, "|y|"),
    );

  function showNodes(list) {
    nodes = list;
    const operators = nodes.filter(({ parameter }) => !parameter); // those of parameters lie further apart
    const of = (norm) => ends(operators.map((node) => node[norm]));
    const all = { gradient: of("gradient_norm"), value: of("value_norm") };
    rows = new Map(nodes.map((node) => [node.number, line(node, all)]));
    const parts = sections(nodes).map(({ layer, operators, parameters }) => {
      const folded = el(
        "details",
        { ontoggle: draw },
        el("summary", {}, `${parameters.length} parameters`),
        ...parameters.map((number) => rows.get(number)),
      );
      return el(
        "section",
        { "aria-label": layer },
        el("h3", {}, layer),
        ...(parameters.length ? [folded] : []),
        ...operators.map((number) => rows.get(number)),
      );
    });
    body.replaceChildren(heading(), ...parts);
    const first = nodes.find(({ parameter }) => !parameter);
    if (first) rows.get(first.number).tabIndex = 0;
    chosen = null;
    draw();
  }

  /** Arcs between the middles of lines. */
  function draw() {
    const base = body.getBoundingClientRect();
    if (!base.height) return;
    const gutter = arcs.clientWidth;
    arcs.setAttribute("viewBox", `0 0 ${gutter} ${base.height}`);
    arcs.style.height = `${base.height}px`;
    const operators = nodes.filter(({ parameter }) => !parameter);
    const order = new Map(operators.map(({ number }, at) => [number, at]));
    const middle = (number) => {
      const { top, height } = rows.get(number).getBoundingClientRect();
      return top + height / 2 - base.top;
    };
    const paths = [];
    for (const { number, parents } of operators) {
      for (const parent of new Set(parents)) {
        if (!order.has(parent)) continue;
        const far = order.get(number) - order.get(parent);
        const isOn = chosen === number || chosen === parent;
        const [from, to] = [middle(parent), middle(number)];
        const out = far === 1 ? 4 : Math.min(gutter - 4, 6 + 5 * Math.sqrt(far) + far / 2);
        const left = gutter - 1.33 * out; // a curve goes three quarters of the way to these
        paths.push(
          svg("path", {
            class: isOn ? "on" : "",
            d: `M${gutter} ${from}C${left} ${from} ${left} ${to} ${gutter} ${to}`,
          }),
        );
      }
    }
    arcs.replaceChildren(...paths);
  }

  function choose(number) {
    chosen = number;
    const node = number === null ? null : nodes[number];
    const [from, into] = [
      new Set(node?.parents),
      new Set(nodes.filter(({ parents }) => parents.includes(number)).map((child) => child.number)),
    ];
    for (const [at, row] of rows) {
      row.toggleAttribute("data-parent", from.has(at));
      row.toggleAttribute("data-child", into.has(at));
      if (at === number) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
    if (node) {
      const row = rows.get(number);
      const folded = row.closest("details");
      if (folded) folded.open = true;
      stand(row);
    }
    draw();
  }
  /** One line of all takes part in the order of Tab. */
  function stand(row) {
    for (const other of rows.values()) other.tabIndex = other === row ? 0 : -1;
  }
  element.addEventListener("keydown", (event) => {
    const by = { ArrowUp: -1, ArrowDown: 1, PageUp: -10, PageDown: 10, Home: -1e9, End: 1e9 }[event.key];
    const seen = [...body.querySelectorAll("button.row")].filter((row) => row.offsetParent);
    const at = seen.indexOf(event.target);
    if (!by || at < 0) return;
    const next = seen[Math.max(0, Math.min(seen.length - 1, at + by))];
    stand(next);
    next.focus();
    event.preventDefault();
  });
  new ResizeObserver(() => requestAnimationFrame(draw)).observe(body);

  return {
    element,
    show: showNodes,
    choose,
    /** The keyboard goes to the line of a node. */
    focus: (number) => rows.get(number)?.focus(),
  };
}
