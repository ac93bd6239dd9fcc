// The part of the state that the room of an operator has, and how it stands in the URL: every name begins with "op.".
//
//   #operator&op.name=linear&op.rows=2&op.set.outputs=3&op.in.x=0.1:0.5&op.in.dy=1.2:-1
//
// is linear on two rows, with three outputs, x[0, 1] = 0.5 and dy[1, 2] = -1.

/** The usual state; sizes and settings that are not chosen are as the list has them. */
export const usualOperator = () => ({
  name: "layer_norm",
  rows: null,
  columns: null,
  settings: {}, // name -> number or word
  seed: 7,
  draws: null, // the seed of the draws, where it is not that of the numbers
  cells: {}, // name of an input, or dy -> Map of "row.column" -> number
  draw: 0, // which of all draws is shown
});

const NUMBERS = ["rows", "columns", "seed", "draws", "draw"];

const number = (text) => (text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : null);

/** Takes one pair of a hash, its name without "op."; what makes no sense is passed over. */
export function readOperator(state, name, text) {
  const [kind, of] = [name.slice(0, name.indexOf(".")), name.slice(name.indexOf(".") + 1)];
  if (of in {}) return; // every object has it: no setting or input is called so
  if (name === "name") state.name = text;
  else if (NUMBERS.includes(name)) state[name] = number(text) ?? usualOperator()[name];
  else if (kind === "set") state.settings[of] = number(text) ?? text;
  else if (kind === "in") {
    for (const cell of text.split(";")) {
      const [place, value] = cell.split(":");
      const x = number(value ?? "");
      if (/^\d+\.\d+$/.test(place) && x !== null) (state.cells[of] ??= new Map()).set(place, x);
    }
  }
}

/** The pairs of a state. */
export function writeOperator(state) {
  const usual = usualOperator();
  const pairs = [];
  // A cell reads as 0.1:0.5, as in the room of a method.
  const coded = (text) => encodeURIComponent(text).replace(/%3A/g, ":").replace(/%3B/g, ";");
  const add = (name, text) => pairs.push(`op.${encodeURIComponent(name)}=${coded(text)}`);
  for (const name of ["name", ...NUMBERS]) if (state[name] !== usual[name]) add(name, state[name]);
  for (const [name, value] of Object.entries(state.settings)) add(`set.${name}`, value);
  for (const [name, cells] of Object.entries(state.cells)) {
    if (cells.size) add(`in.${name}`, [...cells].map(([place, value]) => `${place}:${value}`).join(";"));
  }
  return pairs;
}

/** The state after some of it has changed: what was said of numbers that are no longer there is forgotten. */
export function changedOperator(state, change) {
  const next = { ...state, ...change };
  const has = (...names) => names.some((name) => name in change);
  if (has("name")) Object.assign(next, { rows: null, columns: null, settings: {} });
  if (has("name", "rows", "columns", "settings", "seed")) Object.assign(next, { cells: {}, draw: 0 });
  if (has("name", "seed")) next.draws = null;
  return next;
}
