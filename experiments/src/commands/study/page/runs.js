// The list of runs: what each is of, how far it is, its last losses. It is asked for again while the page is looked at.

import { fetched } from "./ask.js";
import { el, refusalLine, show } from "./dom.js";
import { format, whole } from "./number.js";
import { usual, write } from "./state.js";

const OFTEN = 3000; // milliseconds, while one is running
const SELDOM = 15000;
const HEAD = [
  "run",
  "task",
  "method",
  "seed",
  "state",
  "steps",
  "train loss",
  "dev loss",
  "dev accuracy",
  "test accuracy",
];
const percent = (x) => `${(100 * x).toFixed(2)}%`;

/** Where a run, or something of it, is shown. */
export const addressOf = (room, change) => write({ ...usual(), room, ...change });

/** The runs as the server has them now. */
let known = [];
export const runs = () => known;
export async function askRuns() {
  known = await fetched("runs", {});
  return known;
}

/** `room` is where the links lead. */
export function runList(page, room) {
  const filter = el("input", {
    type: "search",
    placeholder: "part of a name, task, method or state",
    oninput: () => paint(),
  });
  const count = el("span", { class: "hint", role: "status" });
  const head = el("tr", {}, ...HEAD.map((text) => el("th", { scope: "col" }, text)));
  const body = el("tbody");
  const table = el("table", { class: "runs" }, el("thead", {}, head), body);
  const scroll = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Runs" }, table);
  const none = el(
    "p",
    { hidden: true },
    "There are no runs yet below the folders that ",
    el("code", {}, "skein study"),
    " was given. ",
    el("code", {}, "skein text --budget smoke"),
    " makes one in a minute, and ",
    el("code", {}, "skein study runs"),
    " shows what is in ",
    el("code", {}, "runs"),
    ".",
  );
  const refusal = refusalLine();
  const element = el(
    "section",
    { class: "list", "aria-label": "List of runs" },
    el("div", { class: "line" }, el("h2", {}, "Runs"), el("label", {}, "find ", filter), count),
    refusal.element,
    none,
    scroll,
  );
  const rows = new Map(); // by name, so that a link keeps the keyboard

  function rowOf(run) {
    if (!rows.has(run.name)) {
      const link = el("a", { href: addressOf(room, { run: run.name }) }, run.name);
      rows.set(run.name, el("tr", {}, el("th", { scope: "row" }, link)));
    }
    const row = rows.get(run.name);
    const { name, state, broken } = run;
    row.toggleAttribute("data-chosen", name === page.state.run);
    const link = row.firstChild.firstChild;
    if (name === page.state.run) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
    const cells = broken
      ? [el("td", { class: "text broken", colspan: HEAD.length - 1 }, broken)]
      : [
          el("td", { class: "text" }, run.task),
          el("td", { class: "text" }, run.attn),
          el("td", {}, String(run.seed)),
          el("td", { class: `text ${state}` }, state),
          el("td", {}, run.done === run.steps ? whole(run.done) : `${whole(run.done)} / ${whole(run.steps)}`),
          el("td", {}, format(run.loss, 4)),
          el("td", {}, format(run.dev?.loss, 4)),
          el("td", {}, run.dev ? percent(run.dev.accuracy) : "–"),
          el("td", {}, run.test ? percent(run.test.accuracy) : "–"),
        ];
    row.replaceChildren(row.firstChild, ...cells);
    return row;
  }
  function paint() {
    const words = filter.value.toLowerCase().split(/\s+/);
    const texts = ({ name, task, attn, state }) => [name, task, attn, state].join(" ").toLowerCase();
    const found = known.filter((run) => words.every((word) => texts(run).includes(word)));
    count.textContent = found.length === known.length ? `${known.length}` : `${found.length} of ${known.length}`;
    show(none, !known.length);
    show(scroll, known.length > 0);
    const shown = found.map(rowOf);
    if (shown.length !== body.children.length || shown.some((row, at) => body.children[at] !== row))
      body.replaceChildren(...shown);
  }

  let asked = 0;
  let busy = false;
  async function refresh() {
    if (busy) return;
    [busy, asked] = [true, Date.now()];
    try {
      await askRuns();
      paint();
      refusal.clear();
    } catch (error) {
      refusal.tell(error);
    } finally {
      busy = false;
    }
  }
  setInterval(() => {
    const patience = known.some(({ state }) => state === "running") ? OFTEN : SELDOM;
    if (element.isConnected && !document.hidden && Date.now() - asked >= patience) refresh();
  }, 1000);

  return {
    element,
    update() {
      paint();
      if (!known.length || Date.now() - asked > OFTEN) refresh();
    },
  };
}
