// The curves of a run, which follow it while it trains. Of long runs the server sends means and extremes of every few
// steps; where one zooms in, it is asked for these steps alone, so that all of them are there in the end.

import { board } from "./board.js";
import { fetched } from "./ask.js";
import { curves } from "./curves.js";
import { el, refusalLine, show } from "./dom.js";
import { whole } from "./number.js";

const X = "step";
const CHARTS = [
  { title: "Loss", y: "nats", names: ["loss", "dev loss"] },
  { title: "Accuracy", y: "share that is right", names: ["accuracy", "dev accuracy"] },
  { title: "Gradient norm", y: "Euclidean, of the whole gradient", names: ["gradient norm"], log: true },
  { title: "Learning rate", y: "of AdamW", names: ["learning rate"] },
];
const [OFTEN, SELDOM] = [1500, 10000]; // milliseconds
const MOST = 4000; // points of a curve before it is asked for anew
const DOTS = ["dev loss", "dev accuracy"];

/** `arrived` is called when a run's curves are there. */
export function livePanel(page, arrived) {
  const own = board({ span: 1 });
  const zoomed = own.zoom.bind(own);
  own.zoom = (x, window) => {
    const [from, to] = window ? [Math.max(1, Math.floor(window[0])), Math.ceil(window[1])] : [null, null];
    zoomed(x, window);
    page.change({ from, to });
  };
  const charts = CHARTS.map(({ title, y, log }) => curves({ title, x: X, y, series: [], log, shared: own }));
  const layers = { board: board({ span: 1 }) };
  layers.chart = curves({
    title: "Gradient norms by layer",
    x: X,
    y: "at evaluations",
    series: [],
    log: true,
    shared: layers.board,
  });
  const said = el("span", { class: "hint", role: "status" });
  const refusal = refusalLine();
  const element = el(
    "section",
    { "aria-label": "Curves" },
    el("div", { class: "line" }, el("h2", {}, "Curves"), said),
    refusal.element,
    own.element,
    el("div", { class: "charts" }, ...charts.map(({ element }) => element)),
    el("div", { class: "charts" }, el("div", {}, layers.board.element, layers.chart.element)),
  );

  let of = null; // the run
  let told = null; // { state, done, evaluations } of the last answer
  let all = new Map(); // name -> { points, band }
  let finer = null; // { from, to, of } of the steps that are zoomed to
  let norms = [];

  const merged = (name) => {
    const whole = all.get(name) ?? { points: [], band: null };
    const part = finer?.of.get(name);
    if (!part?.points.length) return whole;
    const join = (rows, inside) => [
      ...rows.filter(([x]) => x < finer.from),
      ...inside,
      ...rows.filter(([x]) => x > finer.to),
    ];
    const exact = (points) => points.map(([x, y]) => [x, y, y]);
    const band = whole.band && join(whole.band, part.band ?? exact(part.points));
    return { points: join(whole.points, part.points), band };
  };
  function paint() {
    CHARTS.forEach(({ names }, at) => {
      const series = names.map((name) => {
        const { points, band } = merged(name);
        return {
          name: names.length > 1 && name === names[0] ? `train ${name}` : name,
          points,
          band: band ?? undefined,
          dots: DOTS.includes(name),
        };
      });
      charts[at].update(series);
    });
    layers.chart.update(norms.map(({ name, gradient }) => ({ name, points: gradient, dots: true })));
    show(
      layers.chart.element.parentNode,
      norms.some(({ gradient }) => gradient.length > 1),
    );
    const { state, done } = told;
    said.textContent = `${whole(done)} steps, ${state}`;
    element.dataset.done = done;
  }
  /** Nothing of another run stays. */
  function clear() {
    for (const chart of [...charts, layers.chart]) chart.update([]);
    show(layers.chart.element.parentNode, false);
    said.textContent = "";
  }
  const byName = (curves) => new Map(curves.map((curve) => [curve.name, curve]));

  /** All of it, and what is zoomed to. */
  async function read(run) {
    const answer = await fetched("curves", { run });
    if (run !== of) return;
    told = answer;
    [all, norms] = [byName(answer.curves), answer.layers];
    paint();
    arrived();
  }
  async function zoomIn({ run, from, to }) {
    if (from === null) finer = null;
    else if (finer?.from !== from || finer?.to !== to) {
      const isThin = [...all.values()].some(({ band }) => band);
      if (!isThin) return;
      const answer = await fetched("curves", { run, from, to });
      if (run !== of || page.state.from !== from || page.state.to !== to) return; // zoomed on meanwhile
      finer = { from, to, of: byName(answer.curves) };
    } else return;
    if (told) paint();
  }
  /** What has come since; where it does not follow on, all anew. */
  async function follow(run) {
    const answer = await fetched("curves", { run, since: told.done });
    if (run !== of || !told) return;
    const fresh = byName(answer.curves);
    const evaluations = fresh.get("dev loss").points.length;
    const long = [...all.values()].some(({ points }) => points.length > MOST);
    if (answer.too_many || long || answer.done < told.done || answer.evaluations !== told.evaluations + evaluations)
      return read(run);
    const isNew = answer.done > told.done || answer.state !== told.state;
    told = answer;
    if (!isNew) return;
    for (const [name, { points }] of fresh) {
      const curve = all.get(name);
      curve.points.push(...points);
      curve.band?.push(...points.map(([x, y]) => [x, y, y]));
    }
    for (const layer of answer.layers) {
      const known = norms.find(({ name }) => name === layer.name);
      if (known) known.gradient.push(...layer.gradient);
      else norms.push(layer);
    }
    paint();
  }

  let asked = 0;
  let busy = false;
  async function work(what) {
    [busy, asked] = [true, Date.now()];
    try {
      await what();
      refusal.clear();
    } catch (error) {
      if (!told) show(element, true);
      refusal.tell(error);
    } finally {
      busy = false;
    }
  }
  setInterval(() => {
    const patience = told?.state === "running" ? OFTEN : SELDOM;
    if (!of || busy || !element.isConnected || document.hidden || Date.now() - asked < patience) return;
    work(() => (told ? follow(of) : read(of)));
  }, 250);

  return {
    element,
    /** What is known of the run: its steps so far. */
    done: () => told?.done ?? 0,
    async update(state) {
      const { run, from, to } = state;
      const window = from !== null && to !== null && from < to ? [from, to] : null;
      if (String(own.windowOf(X)) !== String(window) && !(window && contains(own.windowOf(X), window)))
        zoomed(X, window);
      if (run !== of) {
        [of, told, finer, all, norms] = [run, null, null, new Map(), []];
        clear();
        if (run) await work(() => read(run));
      }
      if (run && told) await work(() => zoomIn({ run, from: window && from, to: window && to }));
    },
  };
}

/** Whether these whole steps are those of a window. */
const contains = (shown, [from, to]) =>
  shown && Math.max(1, Math.floor(shown[0])) === from && Math.ceil(shown[1]) === to;
