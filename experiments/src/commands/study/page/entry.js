// The panel of one number of dQ, dK or dV: its value three ways, the terms that sum to it, and where it is written.

import { ask } from "./ask.js";
import { button, el, number, refusalLine } from "./dom.js";
import { methodOf, scene } from "./scene.js";

/** `close()` is called when it is to be shut. */
export function entryPanel(close) {
  const title = el("h3", { tabindex: "-1" });
  const body = el("div");
  const refusal = refusalLine();
  const element = el(
    "aside",
    { class: "entry", "aria-label": "One number", onkeydown: ({ key }) => key === "Escape" && close() },
    el("div", { class: "line" }, title, button("Close", close)),
    refusal.element,
    body,
  );

  async function update(state, replaced) {
    if (!state.entry) return;
    const { side, of, row, col } = state.entry;
    body.classList.add("stale");
    try {
      const answer = await ask({ ask: "entry", of, row, col, scene: await scene(state, side) });
      if (replaced()) return;
      title.textContent = `d${of.toUpperCase()}[${row}, ${col}] of ${methodOf(state, side)}`;
      body.replaceChildren(...values(answer), ...terms(answer));
      body.classList.remove("stale");
      refusal.clear();
    } catch (error) {
      refusal.tell(error);
    }
  }
  return { element, update, focus: () => title.focus() };
}

function values({ value, exact, finite, written }) {
  const verdict = finite.agrees
    ? "✓ Finite differences agree with the gradient."
    : "✗ Finite differences do not agree: the gradient is wrong here, or the output has a kink or jump nearby.";
  const facts = {
    value: number(value, 8),
    "exact attention": number(exact, 8),
    difference: number(value - exact, 4),
    "finite difference": number(finite.difference, 8),
    "its error": number(finite.error, 2),
    "written in": el("code", {}, `${written.file}:${written.line}`),
  };
  const lines = Object.entries(facts).flatMap(([name, fact]) => [el("dt", {}, name), el("dd", {}, fact)]);
  return [
    el("p", { class: finite.agrees ? "right" : "wrong" }, verdict),
    el("dl", {}, ...lines),
    el("p", { class: "hint" }, "The error is relative to the largest number of this gradient; draws are held."),
  ];
}

/** A gradient is linear in dy: what each row of dy alone gives, the largest first. */
function terms({ of, row, col, terms, value }) {
  const most = Math.max(...terms.map((term) => Math.abs(term.value)), Number.MIN_VALUE);
  const items = terms.map((term) => {
    const bar = el("i", { class: term.value < 0 ? "negative" : "positive" });
    bar.style.width = `${(50 * Math.abs(term.value)) / most}%`;
    return el("li", {}, `row ${term.row}`, el("span", { class: "bar" }, bar), number(term.value, 5));
  });
  const sum = terms.reduce((sum, term) => sum + term.value, 0);
  return [
    el("h4", {}, `What each row of the output gives to d${of.toUpperCase()}[${row}, ${col}]`),
    el("ol", { class: "terms", tabindex: "0", "aria-label": "Terms, the largest first" }, ...items),
    el("p", {}, "sum ", number(sum, 8), ", value ", number(value, 8)),
  ];
}
