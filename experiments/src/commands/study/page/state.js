// All that the page shows follows from this state, and the state stands in the URL after the #, so that a copied link
// shows the same page. What has its usual value is left out:
//
//   #method&attn=skein-nonorm&n=16&features=2&q=3.1:0.5;4.0:-1&a:pilot.doc0.layer0.head0=2.5&planted=k.4.1
//
// is skein-nonorm at n = 16, d = 2 with q[3, 1] = 0.5 and q[4, 0] = -1, with pilots 2 and 5 given, and an error planted in
// dk[4, 1].

import { readOperator, usualOperator, writeOperator } from "./operator_state.js";

/** The four matrices that can be changed. */
export const MATRICES = ["q", "k", "v", "dy"];

const USUAL = {
  room: "method",
  attn: "skein",
  other: "", // the second method, if there is one
  n: 8,
  p: 3,
  features: 4,
  seed: 7,
  draws: null, // the seed of the draws, where it is not that of the numbers
  precision: "f64",
  planted: null, // { of, row, col }
  entry: null, // { side, of, row, col }: the number that is open
  count: 200, // redraws
  ds: null, // their features
  run: "", // the run of the rooms of runs and tapes, by its name in the list
  from: null, // the steps to which its curves are zoomed
  to: null,
  judged: "", // the split on which its model is judged and how many examples of it, "test.256"
  first: null, // the steps whose norms are shown
  last: null,
  grid: "", // the grid of the room of grids, the column of it that is drawn, and whether runs that have not ended count
  column: "",
  begun: "",
  step: 1, // the step whose tape is shown, and the example of it: its place in the batch, or its number
  example: 0,
  id: null,
  node: null, // the node that is open
};
const OF_RUNS = ["from", "to", "first", "last", "step", "example", "id", "node"];
const NUMBERS = ["n", "p", "features", "seed", "draws", "count", ...OF_RUNS];
const TEXTS = ["attn", "other", "precision", "run", "judged", "grid", "column", "begun"];

const number = (text) => (text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : null);
const isPlace = (...x) => x.every((x) => Number.isInteger(x) && x >= 0);
const places = (text) => text.split(".").map(Number).filter((x) => isPlace(x));

/** The usual state. */
export const usual = () => ({
  ...USUAL,
  cells: Object.fromEntries(MATRICES.map((name) => [name, new Map()])), // "row.column" -> number
  given: { a: new Map(), b: new Map() }, // name of a draw -> indices
  operator: usualOperator(), // of the room of an operator
});

/** The state of a hash; what makes no sense in it is passed over. */
export function read(hash) {
  const state = usual();
  const [room, ...pairs] = hash.replace(/^#/, "").split("&");
  if (room) state.room = room;
  for (const pair of pairs) {
    const cut = pair.indexOf("=");
    let name, text;
    try {
      [name, text] = [pair.slice(0, cut), pair.slice(cut + 1)].map(decodeURIComponent);
    } catch {
      continue; // a lone % is no hash of ours
    }
    if (name.startsWith("op.")) readOperator(state.operator, name.slice(3), text);
    else if (NUMBERS.includes(name)) state[name] = number(text) ?? USUAL[name];
    else if (TEXTS.includes(name)) state[name] = text;
    else if (MATRICES.includes(name)) {
      for (const cell of text.split(";")) {
        const [place, value] = cell.split(":");
        const x = number(value ?? "");
        if (/^\d+\.\d+$/.test(place) && x !== null) state.cells[name].set(place, x);
      }
    } else if (/^[ab]:/.test(name)) state.given[name[0]].set(name.slice(2), places(text));
    else if (name === "ds") state.ds = places(text);
    else if (name === "planted" || name === "entry") {
      const found = /^(?:([ab])\.)?([qkv])\.(\d+)\.(\d+)$/.exec(text);
      if (!found || (name === "entry") !== Boolean(found[1])) continue;
      const place = { of: found[2], row: Number(found[3]), col: Number(found[4]) };
      state[name] = name === "entry" ? { side: found[1], ...place } : place;
    }
  }
  return state;
}

/** The hash of a state. */
export function write(state) {
  const pairs = [];
  const add = (name, text) => pairs.push(`${encodeURIComponent(name).replace("%3A", ":")}=${text}`);
  for (const name of [...TEXTS, ...NUMBERS]) {
    if (state[name] !== USUAL[name]) add(name, encodeURIComponent(state[name]));
  }
  for (const name of MATRICES) {
    const cells = [...state.cells[name]].map(([place, value]) => `${place}:${value}`);
    if (cells.length) add(name, cells.join(";"));
  }
  for (const side of ["a", "b"]) {
    for (const [name, indices] of state.given[side]) add(`${side}:${name}`, indices.join("."));
  }
  const { planted, entry, ds } = state;
  if (ds) add("ds", ds.join("."));
  if (planted) add("planted", [planted.of, planted.row, planted.col].join("."));
  if (entry) add("entry", [entry.side, entry.of, entry.row, entry.col].join("."));
  return ["#" + state.room, ...pairs, ...writeOperator(state.operator)].join("&");
}

/** The state after some of it has changed: what was said of numbers and draws that are no longer there is forgotten. */
export function changed(state, change) {
  const next = { ...state, ...change };
  const has = (...names) => names.some((name) => name in change);
  if (has("n", "p", "seed")) {
    next.cells = usual().cells;
    next.draws = null;
    const inside = (place) => (place && place.row < next.n && place.col < next.p ? place : null);
    [next.planted, next.entry] = [inside(next.planted), inside(next.entry)];
  }
  if (!has("given") && has("n", "p", "seed", "draws", "features")) next.given = usual().given;
  else if (has("attn")) next.given = { ...next.given, a: new Map() };
  else if (has("other")) next.given = { ...next.given, b: new Map() };
  if (!next.other && next.entry?.side === "b") next.entry = null;
  return next;
}
