// A trained model on examples of its data: how it confuses the classes, and examples that it takes for others. An example
// of the train split can be entered at any step.

import { button, el, refusalLine, select } from "./dom.js";
import { documents } from "./example.js";
import { format, whole } from "./number.js";
import { addressOf } from "./runs.js";
import { workLine } from "./work.js";

const HINT =
  "The weights that the run's test is about, on examples drawn as in the run; 0: all of the split. With as many " +
  "examples as the run's own test these are its numbers.";
const percent = (x) => `${(100 * x).toFixed(2)}%`;

export function judgedPanel(page) {
  const split = select(["test", "dev", "train"], { "aria-label": "split" });
  const count = el("input", { type: "number", min: "0", value: "256" });
  const start = button("Judge", () => {
    page.change({ judged: `${split.value}.${Math.max(0, Math.floor(Number(count.value)))}` });
    ask();
  });
  const work = workLine("judge", "examples");
  const refusal = refusalLine();
  const result = el("div");
  const element = el(
    "section",
    { "aria-label": "Classes and mistakes" },
    el("h2", {}, "Classes and mistakes"),
    el("p", { class: "hint" }, HINT),
    el("div", { class: "line" }, el("label", {}, "split ", split), el("label", {}, "examples ", count), start),
    work.element,
    refusal.element,
    result,
  );

  async function ask() {
    const { run, judged } = page.state;
    const [split, examples] = judged.split(".");
    refusal.clear();
    try {
      const answer = await work.ask({ run, split, examples: Number(examples) });
      if (answer && run === page.state.run) show(run, answer.judged);
    } catch (error) {
      refusal.tell(error);
    }
  }
  function show(run, judged) {
    const { accuracy, loss, examples, weights, classes, confusion, wrong } = judged;
    const many = confusion.flat().reduce((sum, x) => sum + x, 0) - confusion.reduce((sum, row, at) => sum + row[at], 0);
    const items = wrong.map(({ id, label, predicted, shown }) => {
      const told = [
        `${classes[label]}, taken for ${classes[predicted]} `,
        el("small", {}, `${judged.split} example ${id}`),
      ];
      const enter =
        judged.split === "train"
          ? [el("a", { href: addressOf("tape", { run, step: 1, id }) }, "its tape at step 1")]
          : [];
      return el("li", {}, el("div", { class: "line" }, el("span", {}, ...told), ...enter), documents(shown));
    });
    result.replaceChildren(
      el(
        "p",
        {},
        el("strong", {}, percent(accuracy)),
        ` of ${whole(examples)} examples of ${judged.split}, loss ${format(loss, 4)}; weights: ${weights}`,
      ),
      confused(confusion, classes),
      ...(items.length
        ? [
            el(
              "h3",
              {},
              `Wrong: ${whole(many)}`,
              el("small", {}, items.length < many ? ` the first ${items.length} of them` : ""),
            ),
            el("ul", { class: "mistakes" }, ...items),
          ]
        : []),
    );
  }

  let of = null;
  return {
    element,
    update({ run, judged }) {
      if (run === of) return;
      of = run;
      result.replaceChildren();
      refusal.clear();
      if (!run || !/^(test|dev|train)\.\d+$/.test(judged)) return;
      // What stands in the address was asked for before.
      [split.value, count.value] = judged.split(".");
      ask();
    },
  };
}

/** A row a class, a column for what its examples were taken for. Shades say the share of the row. */
export function confused(confusion, classes) {
  const sum = (numbers) => numbers.reduce((sum, x) => sum + x, 0);
  const share = (part, all) => (all ? percent(part / all) : "–");
  const rows = confusion.map((row, label) => {
    const all = sum(row);
    const cells = row.map((x, at) => {
      const cell = el(
        "td",
        { class: at === label ? "own" : "other", title: `${x} of ${all} ${classes[label]} taken for ${classes[at]}` },
        whole(x),
      );
      cell.style.setProperty("--share", all ? x / all : 0);
      return cell;
    });
    return el("tr", {}, el("th", { scope: "row" }, classes[label]), ...cells, el("td", {}, share(row[label], all)));
  });
  const right = classes.map((_, at) => share(confusion[at][at], sum(confusion.map((row) => row[at]))));
  const head = ["is \\ taken for", ...classes, "found"].map((text) => el("th", { scope: "col" }, text));
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "How the classes are confused" },
    el(
      "table",
      { class: "confusion" },
      el("thead", {}, el("tr", {}, ...head)),
      el("tbody", {}, ...rows),
      el(
        "tfoot",
        {},
        el("tr", {}, el("th", { scope: "row" }, "right"), ...right.map((text) => el("td", {}, text)), el("td")),
      ),
    ),
  );
}
