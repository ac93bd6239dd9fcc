// The room of a tape: one example at one step of a run, as `skein explain --run RUN --step N` tells it: its nodes, and
// each of them with its numbers and its source.

import { button, el, refusalLine, show } from "./dom.js";
import { documents } from "./example.js";
import { graph } from "./graph.js";
import { nodePanel } from "./node.js";
import { format, whole } from "./number.js";
import { addressOf, askRuns, runs } from "./runs.js";
import { workLine } from "./work.js";

const HINT =
  "Nodes in the order of the forward pass, by layer; bars are logarithmic. Arrow keys go through them, Enter opens one.";

export function tapeRoom(page) {
  const of = el("select", {
    "aria-label": "run",
    onchange: () => page.change({ run: of.value, step: 1, example: 0, id: null, node: null }),
  });
  const step = el("input", { type: "number", min: "1", onchange: () => page.change({ step: Number(step.value) }) });
  const example = el("input", {
    type: "number",
    min: "0",
    onchange: () => page.change({ example: Number(example.value), id: null }),
  });
  const by = (change) => () => page.change(change(page.state));
  const earlier = button(
    "−",
    by(({ step }) => ({ step: Math.max(1, step - 1) })),
    { "aria-label": "the step before" },
  );
  const later = button(
    "+",
    by(({ step }) => ({ step: step + 1 })),
    { "aria-label": "the next step" },
  );
  const ofBatch = el("span", { class: "hint" });
  const back = el("a", {}, "the run");
  const work = workLine("tape", "steps replayed");
  const refusal = refusalLine();
  const summary = el("p", { class: "summary" });
  const remarks = el("p", { class: "hint" });
  const shown = el("details", {}, el("summary", {}, "The example"));
  let follows = false; // whether the keyboard goes to the node that is opened
  const go = (number) => {
    follows = true;
    page.change({ node: number });
  };
  const nodes = graph(go);
  const panel = nodePanel(go, () => {
    const { node } = page.state;
    page.change({ node: null });
    nodes.focus(node);
  });
  const controls = el(
    "form",
    { class: "controls", "aria-label": "Which tape", onsubmit: (event) => event.preventDefault() },
    el(
      "div",
      { class: "line" },
      el("label", {}, "run ", of),
      el("label", {}, "step ", step),
      earlier,
      later,
      el("label", {}, "place in the batch ", example),
      ofBatch,
      back,
    ),
  );
  const columns = el("div", { class: "tape-columns" }, nodes.element, panel.element);
  const hint = el("p", { class: "hint" }, HINT);
  const ofTape = [summary, remarks, shown, columns];
  const none = el(
    "p",
    { hidden: true },
    "There are no runs yet below the folders that ",
    el("code", {}, "skein study"),
    " was given.",
  );
  const element = el(
    "div",
    { class: "tape" },
    controls,
    work.element,
    refusal.element,
    none,
    summary,
    remarks,
    shown,
    hint,
    columns,
  );

  let asked = "";
  let answer = null;
  const questionOf = ({ run, step, example, id }) => (id === null ? { run, step, example } : { run, step, id });

  function place(state) {
    if (state.id !== null) return `train example ${state.id}`;
    if (answer?.key !== JSON.stringify(questionOf(state))) return "";
    return `of ${answer.batch.length}: train example ${answer.batch[state.example]}`;
  }
  function paintControls(state) {
    const names = runs()
      .filter(({ broken }) => !broken)
      .map(({ name }) => name);
    if (state.run && !names.includes(state.run)) names.unshift(state.run);
    if (String([...of.options].map(({ value }) => value)) !== String(names))
      of.replaceChildren(...names.map((value) => el("option", { value }, value)));
    of.value = state.run;
    step.value = state.step;
    example.value = state.id === null ? state.example : "";
    ofBatch.textContent = place(state);
    back.setAttribute("href", addressOf("run", { run: state.run }));
    show(back, state.run !== "");
  }

  async function read(state) {
    const question = questionOf(state);
    const key = JSON.stringify(question);
    if (key === asked) return;
    asked = key;
    refusal.clear();
    for (const part of ofTape) part.classList.add("stale");
    element.setAttribute("aria-busy", "true");
    try {
      const got = await work.ask(question);
      if (key !== asked) return;
      if (!got) {
        asked = "";
        remarks.textContent = "Stopped.";
        return;
      }
      answer = { key, question, ...got };
      const { tape, batch, taken } = got;
      step.max = taken;
      example.max = batch.length - 1;
      ofBatch.textContent = place(page.state);
      summary.replaceChildren(
        el("strong", {}, tape.attn),
        ` ${tape.example}: loss `,
        el("data", { value: format(tape.loss), title: format(tape.loss), id: "loss" }, format(tape.loss, 6)),
        ` · ${whole(tape.nodes.length)} nodes`,
      );
      remarks.textContent = got.remarks.join(" ");
      shown.replaceChildren(shown.firstChild, documents(got.shown));
      nodes.show(tape.nodes);
      for (const part of ofTape) part.classList.remove("stale");
    } catch (error) {
      if (key !== asked) return;
      asked = "";
      refusal.tell(error);
    } finally {
      if (key === asked || asked === "") element.setAttribute("aria-busy", "false");
    }
  }

  let opened = "";
  function openNode({ node }) {
    const list = answer?.tape.nodes;
    const isThere = Boolean(list) && node !== null && node >= 0 && node < list.length && Number.isInteger(node);
    show(panel.element, isThere);
    columns.classList.toggle("open", isThere);
    const key = `${answer?.key} ${isThere ? node : ""}`;
    if (key === opened) return;
    opened = key;
    if (!list) return;
    nodes.choose(isThere ? node : null);
    if (!isThere) return;
    panel.update(list, node, answer.question);
    if (follows) panel.focus();
    follows = false;
  }

  return {
    element,
    title: ({ run, step }) => (run ? `${run}, step ${step}: the tape of an example` : "A tape"),
    async update(state) {
      paintControls(state);
      for (const part of [summary, shown, hint, columns]) show(part, Boolean(answer));
      if (!runs().length) {
        try {
          await askRuns();
        } catch (error) {
          return refusal.tell(error);
        }
        show(none, !runs().length && !state.run);
      }
      if (!page.state.run) {
        // The first that can be entered.
        const first = runs().find(({ broken, done }) => !broken && done > 0);
        if (first) page.change({ run: first.name });
        return;
      }
      paintControls(page.state);
      await read(page.state);
      for (const part of [summary, shown, hint, columns]) show(part, Boolean(answer));
      openNode(page.state);
    },
  };
}
