// Every number of dQ, dK and dV against finite differences, and a planted error that must be found.

import { ask } from "./ask.js";
import { button, el, number, refusalLine, select } from "./dom.js";
import { whole } from "./number.js";
import { scenes } from "./scene.js";

/** `found(wrong)` is called with what was found, a list for each side, and with null when that is no longer so. */
export function checkPanel(page, found) {
  const told = el("div", { role: "status" });
  const refusal = refusalLine();
  const start = button("Check all", run);
  const planted = el("input", { type: "checkbox", onchange: plant });
  const of = select(["k", "q", "v"], { "aria-label": "Gradient", onchange: plant });
  for (const option of of.options) option.textContent = `d${option.value.toUpperCase()}`;
  const [row, col] = ["Row", "Column"].map((name) =>
    el("input", { type: "number", min: "0", value: "0", "aria-label": name, onchange: plant }),
  );
  const name = el("span"); // of the method in which it is planted, the first of two
  const line = el(
    "div",
    { class: "line" },
    start,
    el("label", {}, planted, " plant an error of 0.1 % in"),
    of,
    el("span", {}, "row"),
    row,
    el("span", {}, "column"),
    col,
    name,
  );
  const hint = "Compares every number of dQ, dK and dV with finite differences of the output, draws held.";
  const element = el(
    "section",
    { "aria-label": "Check" },
    el("h2", {}, "Check"),
    el("p", { class: "hint" }, hint),
    line,
    refusal.element,
    told,
  );
  let checked = null; // the scenes to which the result belongs

  function plant() {
    const place = { of: of.value, row: Number(row.value), col: Number(col.value) };
    if (planted.checked || page.state.planted) page.change({ planted: planted.checked ? place : null }, line);
  }

  async function run() {
    start.disabled = true;
    told.textContent = "Checking …";
    refusal.clear();
    try {
      const asked = await scenes(page.state);
      const answers = [];
      for (const scene of asked) answers.push(await ask({ ask: "check", ...scene }));
      checked = JSON.stringify(asked);
      told.replaceChildren(...answers.flatMap((answer, at) => verdict(asked[at].attn, answer)));
      found(answers.map((answer) => answer.wrong));
      update(page.state); // it may have changed meanwhile
    } catch (error) {
      told.replaceChildren();
      refusal.tell(error);
    } finally {
      start.disabled = false;
    }
  }

  /** Follows the state; a result of other numbers is taken away. */
  async function update(state) {
    planted.checked = state.planted !== null;
    name.textContent = `of ${state.attn}`;
    if (state.planted) [of.value, row.value, col.value] = [state.planted.of, state.planted.row, state.planted.col];
    [row.max, col.max] = [state.n - 1, state.p - 1];
    if (checked === null || JSON.stringify(await scenes(state).catch(() => null)) === checked) return;
    checked = null;
    told.textContent = "Something has changed since the last check.";
    found(null);
  }
  return { element, update };
}

function verdict(name, { compared, largest_error, wrong }) {
  const agree = whole(compared - wrong.length);
  const items = wrong.map(({ of, row, col, value, finite }) =>
    el(
      "li",
      {},
      `d${of.toUpperCase()}[${row}, ${col}]: `,
      number(value, 8),
      ", finite difference ",
      number(finite.difference, 8),
      ", error ",
      number(finite.error, 2),
    ),
  );
  const told = el(
    "p",
    { class: wrong.length ? "wrong" : "right" },
    `${wrong.length ? "✗" : "✓"} ${name}: ${whole(compared)} numbers compared, ${agree} agree, `,
    "largest error of these ",
    number(largest_error, 2),
    wrong.length ? `; ${whole(wrong.length)} wrong:` : "; none is wrong.",
  );
  return [told, el("ul", {}, ...items)];
}
