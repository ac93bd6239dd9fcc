// The room of a grid: the runs of a folder as cells, how far each of them is, what is missing and what is left to do; and
// for one column, means over seeds with their bands. It is asked for again while a cell runs.

import { fetched } from "./ask.js";
import { board } from "./board.js";
import { STAGES, cellTable, duration, percent, plural } from "./cells.js";
import { curves } from "./curves.js";
import { el, number, refusalLine, select, show } from "./dom.js";
import { format, whole } from "./number.js";

const [OFTEN, SELDOM] = [3000, 15000]; // milliseconds, while a cell is running and else
const X = "step";
const CHARTS = [
  { of: "dev_loss", title: "Dev loss", y: "nats" },
  { of: "dev_accuracy", title: "Dev accuracy", y: "share that is right" },
  { of: "train_loss", title: "Train loss", y: "nats, mean of the last fiftieth of the steps" },
];
/** The seeds that a method lacks, by column: what others have. */
function missing(columns) {
  const of = ({ rows }) =>
    rows
      .map(({ attn, cells }) => [attn, cells, cells.filter(({ stage, name }) => stage === "new" && !name)])
      .filter(([, , gone]) => gone.length)
      .map(([attn, cells, gone]) => {
        const seeds = `${gone.length === 1 ? "seed" : "seeds"} ${gone.map(({ seed }) => seed).join(", ")}`;
        return gone.length === cells.length ? attn : `${attn} (${seeds})`;
      });
  return columns.map((column) => [column.title, of(column)]).filter(([, gone]) => gone.length);
}

/** What is left to do, and how that was reckoned: two sentences or three. */
function left(cells) {
  const open = cells.filter(({ stage }) => ["running", "stopped", "new"].includes(stage));
  if (!open.length) return "Nothing is left to do.";
  const known = open.filter(({ left }) => left);
  const running = open.filter(({ stage }) => stage === "running").length;
  const said = [];
  if (known.length) {
    const each = known.map(({ left }) => left.seconds);
    const sum = each.reduce((sum, seconds) => sum + seconds, 0);
    const together = Math.max(...each, sum / running);
    said.push(
      `At most about ${duration(sum)}, one run after another` +
        (running > 1 ? `, or ${duration(together)} with ${running} at a time, as now` : "") +
        `: ${plural(known.length, "run")}, the steps that each has still to do times the median of its latest steps (50 ` +
        "at most, timings.jsonl), or of those of the same method and settings with other seeds; an evaluation is " +
        "reckoned as a third of training on as many examples.",
    );
  }
  const unknown = open.length - known.length;
  if (unknown)
    said.push(`Nothing tells how long ${plural(unknown, "run")} will take: no run like them has done a step.`);
  return said.join(" ");
}

const HINT = "A cell leads to its run; the arrow keys go from cell to cell. E: test accuracy; R, S: how far.";

export function gridRoom(page) {
  const grids = select([], { onchange: () => page.change({ grid: grids.value, column: "" }) });
  const columns = select([], { onchange: () => page.change({ column: columns.value }) });
  const begun = el("input", { type: "checkbox", onchange: () => page.change({ begun: begun.checked ? "1" : "" }) });
  const refusal = refusalLine();
  const counts = el("p", { class: "summary", role: "status" });
  const time = el("p", { id: "left" });
  const gone = el("ul", { class: "missing" });
  const remarks = el("div");
  const tables = el("div", { class: "tables" });
  const said = el("p", { class: "said", "aria-hidden": "true" });
  const legend = Object.entries(STAGES).map(([stage, [letter, word]]) =>
    el("span", { class: `state ${stage}` }, el("b", {}, letter), ` ${word}`),
  );
  const none = el(
    "p",
    { hidden: true },
    "There are no runs yet below the folders that ",
    el("code", {}, "skein study"),
    " was given. ",
    el("code", {}, "skein sweep --tasks text --methods softmax,skein --seeds 1,2 --budget smoke"),
    " makes a grid in ",
    el("code", {}, "runs/sweep"),
    ".",
  );
  const own = board({ span: 1 });
  const zoomed = own.zoom.bind(own);
  own.zoom = (x, window) => {
    const [from, to] = window ? [Math.max(1, Math.floor(window[0])), Math.ceil(window[1])] : [null, null];
    page.change({ from, to });
  };
  const charts = CHARTS.map(({ title, y }) => curves({ title, x: X, y, series: [], shared: own }));
  const averaged = el("tbody");
  const heads = ["method", "mean over", "to step", "dev loss", "dev accuracy", "train loss", "test accuracy"];
  const head = (text, at) => el("th", { scope: "col", class: at === 1 ? "text" : "" }, text);
  const values = el(
    "table",
    { class: "means" },
    el("caption", {}, "The last points of these curves"),
    el("thead", {}, el("tr", {}, ...heads.map(head))),
    averaged,
  );
  const body = el(
    "div",
    {},
    el(
      "section",
      { "aria-label": "Cells" },
      el("div", { class: "line" }, el("h2", {}, "Cells"), ...legend),
      el("p", { class: "hint" }, HINT),
      counts,
      el("div", { class: "scroll" }, tables),
      said,
      remarks,
    ),
    el("section", { "aria-label": "What is left" }, el("h2", {}, "What is left"), time, gone),
    el(
      "section",
      { "aria-label": "Means over seeds" },
      el("h2", {}, "Means over seeds"),
      el(
        "div",
        { class: "line" },
        el("label", {}, "runs of ", columns),
        el("label", {}, begun, " runs that have not ended, too"),
      ),
      el(
        "p",
        { class: "hint" },
        "Averaged are runs that agree in all settings but method and seed, over the steps that all of them have: those " +
          "that have ended, or those that have begun while none has. The band goes from the lowest to the highest.",
      ),
      own.element,
      el("div", { class: "charts" }, ...charts.map(({ element }) => element)),
      el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Last points" }, values),
    ),
  );
  const element = el(
    "div",
    { class: "run of-grid" },
    el("div", { class: "controls" }, el("div", { class: "field" }, el("label", {}, el("span", {}, "Grid"), grids))),
    refusal.element,
    none,
    body,
  );
  show(body, false);
  const tell = ({ target }) => {
    const cell = target.closest?.(".state[title]");
    if (cell) said.textContent = cell.title;
  };
  for (const heard of ["pointerover", "focusin"]) tables.addEventListener(heard, tell);

  const cellsOf = new Map(); // tables by title, so that a cell keeps the keyboard
  const choices = (list, values, chosen) => {
    if (String([...list.options].map(({ value }) => value)) !== String(values))
      list.replaceChildren(...values.map((value) => el("option", { value }, value)));
    list.value = chosen;
  };
  let told = null;
  let column = null;

  function paint() {
    choices(grids, told.grids, told.grid);
    column = told.columns.find(({ title }) => title === page.state.column) ?? told.columns[0] ?? null;
    const titles = told.columns.map(({ title }) => title);
    choices(columns, titles, column?.title);
    begun.checked = page.state.begun === "1";
    show(none, !told.grids.length);
    show(body, told.grids.length > 0);
    const all = told.columns.flatMap(({ rows }) => rows.flatMap(({ cells }) => cells));
    const count = (stage) => all.filter((cell) => cell.stage === stage).length;
    const far = Object.entries(STAGES).map(([stage, [, word]]) => [count(stage), word]);
    const some = far.filter(([count]) => count).map(([count, word]) => `${whole(count)} ${word}`);
    const text = `${plural(all.length, "cell")}: ${some.join(", ")}`;
    if (counts.textContent !== text) counts.textContent = text; // so that it is said only when it has changed
    element.dataset.cells = all.map(({ stage }) => STAGES[stage][0]).join("");
    for (const one of told.columns) {
      if (!cellsOf.has(one.title)) cellsOf.set(one.title, cellTable());
      cellsOf.get(one.title).show(one, told.seeds);
    }
    const shown = told.columns.map(({ title }) => cellsOf.get(title).element);
    if (shown.length !== tables.children.length || shown.some((table, at) => tables.children[at] !== table))
      tables.replaceChildren(...shown);
    time.textContent = left(all);
    const failed = new Map(); // cells by cause
    for (const { title, rows } of told.columns) {
      for (const { attn, cells } of rows) {
        for (const { seed, cause } of cells.filter(({ stage }) => stage === "failed"))
          failed.set(cause, [...(failed.get(cause) ?? []), `${title}: ${attn}, seed ${seed}`]);
      }
    }
    const causes = [...failed].map(([cause, cells]) => el("li", {}, `failed: ${cause} (${cells.join("; ")})`));
    const lacking = missing(told.columns).map(([title, gone]) => el("li", {}, `${title}: without ${gone.join(", ")}`));
    gone.replaceChildren(...lacking, ...causes);
    remarks.replaceChildren(...told.remarks.map((remark) => el("p", { class: "refused" }, remark)));
  }
  function paintMeans({ methods, broken }) {
    CHARTS.forEach(({ of }, at) => {
      const series = methods.map((method) => {
        const { points, band } = method[of];
        return { name: method.attn, points, band: band ?? undefined, dots: of !== "train_loss" };
      });
      charts[at].update(series);
    });
    const last = ({ points, band }, show) => {
      const [point, ends] = [points.at(-1), band?.at(-1)];
      if (!point) return el("td", {}, "–");
      const between = ends ? ` (${show(ends[1])} to ${show(ends[2])})` : "";
      return el("td", {}, el("data", { value: String(point[1]), title: format(point[1]) }, show(point[1])), between);
    };
    const loss = (x) => format(x, 4);
    const line = (method) => {
      const { attn, seeds, ended, train_loss, dev_loss, dev_accuracy, test_accuracy: test } = method;
      const tested = test && { points: [[0, test[0]]], band: test[1] < test[2] ? [[0, test[1], test[2]]] : null };
      const over = seeds.length ? `${seeds.length === 1 ? "seed" : "seeds"} ${seeds.join(", ")}` : "none";
      return el(
        "tr",
        { "data-method": attn },
        el("th", { scope: "row" }, attn),
        el("td", { class: "text" }, over + (ended ? "" : ", not all ended")),
        el("td", {}, number(train_loss.points.at(-1)?.[0] ?? null)),
        last(dev_loss, loss),
        last(dev_accuracy, percent),
        last(train_loss, loss),
        last(tested ?? { points: [] }, percent),
      );
    };
    const lost = (why) => el("tr", {}, el("td", { class: "text", colspan: heads.length }, why));
    averaged.replaceChildren(...methods.map(line), ...broken.map(lost));
    element.dataset.means = methods.map(({ seeds }) => seeds.length).join(",");
  }

  let asked = 0;
  let busy = false;
  let again = false;
  async function refresh() {
    if (busy) return void (again = true);
    [busy, asked] = [true, Date.now()];
    try {
      do {
        again = false;
        told = await fetched("grid", page.state.grid ? { grid: page.state.grid } : {});
        paint();
        if (column) {
          const question = { grid: told.grid, column: column.title, begun: page.state.begun === "1" };
          paintMeans(await fetched("means", question));
        }
        refusal.clear();
      } while (again);
    } catch (error) {
      refusal.tell(error);
    } finally {
      busy = false;
    }
  }
  setInterval(() => {
    const patience = element.dataset.cells?.includes("R") ? OFTEN : SELDOM;
    if (element.isConnected && !document.hidden && Date.now() - asked >= patience) refresh();
  }, 1000);

  let of = null;
  return {
    element,
    title: ({ grid }) => (grid ? `${grid}: cells and means of a grid` : "A grid"),
    update(state) {
      const { grid, column, begun, from, to } = state;
      const window = from !== null && to !== null && from < to ? [from, to] : null;
      if (String(own.windowOf(X)) !== String(window)) zoomed(X, window);
      const key = JSON.stringify([grid, column, begun]);
      if (key === of && Date.now() - asked < OFTEN) return;
      of = key;
      refresh();
    },
  };
}
