// What the files of a run say: its outcome, settings, data and what computed it.

import { el } from "./dom.js";
import { confused } from "./judged.js";
import { format, whole } from "./number.js";

const percent = (x) => `${(100 * x).toFixed(2)}%`;
const evaluation = ({ accuracy, loss, examples }) =>
  `${percent(accuracy)} of ${whole(examples)} examples, loss ${format(loss, 4)}`;

function facts(pairs) {
  const lines = pairs.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]);
  return el("dl", { class: "facts" }, ...lines);
}

/** Names and values of a table, of tables in it with their name before. */
function flat(table, before = "") {
  return Object.entries(table).flatMap(([name, value]) => {
    if (Array.isArray(value) && value.some((one) => typeof one === "object")) {
      return value.flatMap((one, at) => flat(one, `${before}${name} ${at + 1}: `));
    }
    if (value !== null && typeof value === "object" && !Array.isArray(value)) return flat(value, `${before}${name}: `);
    return [[before + name, Array.isArray(value) ? value.join(", ") : String(value)]];
  });
}

const folded = (title, ...children) => el("details", {}, el("summary", {}, title), ...children);

export function detailsPanel() {
  const outcome = el("div");
  const body = el("div", { class: "details" });
  const element = el("section", { "aria-label": "Files of the run" }, el("h2", {}, "What its files say"), body);
  return {
    element,
    outcome,
    clear() {
      outcome.replaceChildren();
      body.replaceChildren();
    },
    show({ result, settings, environment, data, broken }) {
      outcome.replaceChildren(...broken.map((sentence) => el("p", { class: "refused" }, sentence)));
      if (result) {
        const rows = [
          ["test", evaluation(result.test)],
          ...(result.best_dev ? [["best on dev", evaluation(result.best_dev)]] : []),
          ["weights tested", `those after step ${whole(result.tested_weights_of_step)} of ${whole(result.steps)}`],
          ["token frequencies", percent(result.token_frequency_accuracy)],
          ["majority class", percent(result.majority_accuracy)],
          ["parameters", whole(result.parameters)],
        ];
        outcome.append(facts(rows));
        // Results that are older lack it; "Classes and mistakes" counts anew.
        if (result.confusion && data) outcome.append(confused(result.confusion, data.classes));
      }
      const parts = [];
      if (settings) parts.push(folded("Settings", facts(flat(settings))));
      if (data) {
        const [train, dev, test] = data.examples.map(whole);
        const rows = [
          ["name", data.name],
          ["examples", `train ${train}, dev ${dev}, test ${test}`],
          ["classes", data.classes.join(", ")],
          ["SHA-256", data.sha256],
        ];
        parts.push(folded("Data", facts(rows), ...data.notes.map((note) => el("p", { class: "hint" }, note))));
      }
      if (environment) parts.push(folded("Environment", facts(flat(environment))));
      body.replaceChildren(...parts);
    },
  };
}
