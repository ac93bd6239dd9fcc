// All draws of an estimate: how likely each is and what it gives, and what their means are beside the truth.

import { button, el, number, show } from "./dom.js";
import { beside, Matrix } from "./matrix.js";
import { largest, minus, whole } from "./number.js";

/** What a quantity is called. */
const symbol = (of) => (of === "y" ? "y" : `d${of}`);

export function allDrawsPanel(page, change) {
  const made = new Map();
  const matrix = (id, name, label = name) => {
    if (!made.has(id)) made.set(id, new Matrix({ id: `all.${id}` }));
    made.get(id).rename(name, label);
    return made.get(id);
  };
  const hint = el("p", { class: "hint" });
  const means = el("div", { class: "results" });
  const terms = el("div");
  const rows = el("tbody");
  const head = ["rows drawn", "probability", "", "sampled"].map((name) => el("th", { scope: "col" }, name));
  const table = el("table", {}, el("thead", {}, el("tr", {}, ...head)), rows);
  const list = el("div", { class: "all", tabindex: "0", role: "region", "aria-label": "All draws" }, table);
  const title = el("h3", { "aria-live": "polite" });
  const panels = el("div", { class: "panels" });
  const one = el("div", { class: "panels draw" }, list, el("div", {}, title, panels));
  const element = el(
    "section",
    { "aria-label": "All draws and their means" },
    el("h2", {}, "All draws"),
    hint,
    one,
    el("h3", {}, "Means over all draws, beside the truth"),
    means,
    terms,
  );
  let answer = null;

  function verdict({ unbiased, error }, right, wrong) {
    const told = el("p", { class: unbiased ? "right" : "wrong" });
    told.append(`${unbiased ? "✓" : "✗"} ${unbiased ? right : wrong} `, number(error, 2), ".");
    return told;
  }

  /** A mean beside the truth. */
  function mean(about) {
    const name = symbol(about.of);
    const range = largest(about.mean, about.truth);
    const all = [
      [matrix(`mean.${about.of}`, "mean", `mean of ${name} over all draws`), about.mean, range],
      [matrix(`truth.${about.of}`, "truth", `truth of ${name}`), about.truth, range],
      [matrix(`apart.${about.of}`, "apart", `mean minus truth of ${name}`), minus(about.mean, about.truth)],
    ];
    for (const [matrix, rows, range] of all) matrix.show(rows, { range });
    beside(all.map(([matrix]) => matrix));
    return el(
      "section",
      { "data-part": about.of, "aria-label": `Mean of ${name}` },
      el("h4", {}, `${name}, draws constants`),
      el("div", { class: "panels" }, ...all.map(([matrix]) => matrix.element)),
      verdict(about, "Unbiased: mean and truth are apart by rounding,", "Biased: mean and truth are apart by up to"),
      el("p", { class: "hint" }, "standard deviation of one draw ", number(about.deviation, 4)),
    );
  }

  /** The gradient of the law, term by term. */
  function law({ of, terms, complete }) {
    const range = largest(...terms.map(({ mean }) => mean), complete.mean, complete.truth);
    const parts = terms.map(({ name, recorded, mean, deviation }) => {
      const shown = matrix(`term.${name}`, name, `mean of d${of} ${name}`);
      shown.show(mean, { range });
      const where = recorded ? "on the tape" : "left out by the tape";
      return [shown, el("p", { class: "hint" }, `${where}; standard deviation `, number(deviation, 4))];
    });
    const sum = matrix("term.sum", "their sum", `mean of d${of}, all terms`);
    const truth = matrix("term.truth", "truth", `truth of d${of}`);
    sum.show(complete.mean, { range });
    truth.show(complete.truth, { range });
    beside([...parts.map(([matrix]) => matrix), sum, truth]);
    return [
      el("h3", {}, `What draws as constants leave out of d${of}`),
      el(
        "div",
        { class: "panels terms-of" },
        ...parts.map(([matrix, told]) => el("div", {}, matrix.element, told)),
        sum.element,
        truth.element,
      ),
      verdict(
        complete,
        "With all terms the mean gradient is the truth, apart by rounding,",
        "The mean gradient with all terms is apart from the truth by up to",
      ),
    ];
  }

  /** The draw that is chosen. */
  function choose({ draw }) {
    const chosen = answer.draws[draw] ?? answer.draws[0];
    [...rows.children].forEach((row, at) => {
      row.classList.toggle("chosen", answer.draws[at] === chosen);
      row.querySelector("button").setAttribute("aria-pressed", answer.draws[at] === chosen);
    });
    title.replaceChildren(
      `Rows ${chosen.indices.join(", ")}: probability `,
      number(chosen.probability, 4),
    );
    const all = chosen.quantities.map(({ of, rows }) => {
      const shown = matrix(`one.${of}`, symbol(of), `${symbol(of)} of this draw`);
      shown.show(rows);
      return shown.element;
    });
    if (panels.children.length !== all.length || all.some((element, at) => panels.children[at] !== element)) {
      panels.replaceChildren(...all);
    }
  }

  function row({ indices, probability, frequency }, at, most) {
    const bar = el("i", { class: "positive" });
    bar.style.width = `${(100 * probability) / most}%`;
    const label = `rows ${indices.join(", ")}, show`;
    const pick = button(indices.join(", "), () => change({ draw: at }, element), { "aria-label": label });
    return el(
      "tr",
      {},
      el("td", {}, pick),
      el("td", {}, number(probability, 4)),
      el("td", {}, el("span", { class: "share", "aria-hidden": "true" }, bar)),
      el("td", {}, number(frequency, 3)),
    );
  }

  return {
    element,
    show({ all_draws }, state) {
      answer = all_draws;
      show(element, all_draws !== null);
      if (!all_draws) return;
      const { draws, samples } = all_draws;
      hint.textContent =
        `There are ${whole(draws.length)} draws. Each stands with its probability and with its share of ` +
        `${whole(samples)} samples of the sampler; its estimate and gradients are shown beside it.`;
      const focused = [...rows.children].findIndex((row) => row.contains(document.activeElement));
      const most = Math.max(...draws.map(({ probability }) => probability));
      rows.replaceChildren(...draws.map((draw, at) => row(draw, at, most)));
      if (focused >= 0) rows.children[focused]?.querySelector("button").focus();
      choose(state);
      means.replaceChildren(...all_draws.means.map(mean));
      show(terms, all_draws.terms !== null);
      if (all_draws.terms) terms.replaceChildren(...law(all_draws.terms));
    },
    update: (state) => answer && choose(state),
  };
}
