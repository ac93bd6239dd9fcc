// Norms of gradients by node over steps of a run, for one example of each batch: the run is replayed for them. A cell
// leads to the tape of that step.

import { button, el, refusalLine, show } from "./dom.js";
import { heat } from "./heat.js";
import { addressOf } from "./runs.js";
import { workLine } from "./work.js";

const MANY = 30; // steps, unless somebody says otherwise
const HINT =
  "|dy| of every node for one example of each step's batch. The run is taken back to these steps, to the same bits, " +
  "from the nearest checkpoint it has kept; what is far from one takes as long as it did in training.";

export function scanPanel(page) {
  const changed = () =>
    page.change({
      first: Number(first.value) || null,
      last: Number(last.value) || null,
      example: Number(example.value) || 0,
    });
  const number = (min) => el("input", { type: "number", min, onchange: changed });
  const [first, last, example] = [number(1), number(1), number(0)];
  const start = button("Show norms", () => {
    const [a, b] = [Number(first.value), Number(last.value)];
    page.change({ first: a, last: b });
    ask();
  });
  const work = workLine("scan", "steps");
  const refusal = refusalLine();
  const remarks = el("p", { class: "hint" });
  let shown = null; // { key, scan }
  const map = heat({
    label: "Norms of gradients by node over steps",
    enter(i, j) {
      const { scan, question } = shown;
      const [node] = scan.nodes[i];
      location.hash = addressOf("tape", { run: question.run, step: scan.first + j, example: question.example, node });
    },
  });
  const element = el(
    "section",
    { "aria-label": "Norms of nodes over steps" },
    el("h2", {}, "Norms of nodes over steps"),
    el("p", { class: "hint" }, HINT),
    el(
      "div",
      { class: "line" },
      el("label", {}, "steps ", first),
      el("label", {}, "to ", last),
      el("label", {}, "place in the batch ", example),
      start,
    ),
    work.element,
    refusal.element,
    map.element,
    remarks,
  );
  show(map.element, false);

  const questionOf = ({ run, first, last, example }) => ({ run, first, last, example });
  async function ask() {
    const question = questionOf(page.state);
    refusal.clear();
    try {
      const answer = await work.ask(question);
      if (!answer || question.run !== page.state.run) return;
      shown = { key: JSON.stringify(question), scan: answer.scan, question };
      const { nodes, norms, first } = answer.scan;
      show(map.element, true);
      map.element.classList.remove("stale");
      map.show(
        nodes.map(([number, name]) => `${number} ${name}`),
        norms[0].map((_, at) => first + at),
        norms,
      );
      remarks.textContent = answer.remarks.join(" ");
    } catch (error) {
      if (question.run === page.state.run) refusal.tell(error);
    }
  }

  let of = null;
  return {
    element,
    update(state, done) {
      if (state.run !== of) {
        of = state.run;
        shown = null;
        show(map.element, false);
        remarks.textContent = "";
        refusal.clear();
        // What stands in the address was asked for before.
        if (of && state.first && state.last) ask();
      }
      const end = state.last ?? Math.max(1, done);
      last.value = end;
      first.value = state.first ?? Math.max(1, end - MANY + 1);
      example.value = state.example;
      if (shown) map.element.classList.toggle("stale", shown.key !== JSON.stringify(questionOf(state)));
    },
  };
}
