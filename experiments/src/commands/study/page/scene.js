// From the state to the scene of a question: the method of one side, with the numbers and draws that were changed.

import { ask } from "./ask.js";
import { MATRICES } from "./state.js";

/** What methods are compared with. */
const EXACT = "softmax-nodrop";

/** A planted error is this share of its number. */
const PLANTED = 0.001;

/** The sides that are shown. */
export const sides = (state) => (state.other ? ["a", "b"] : ["a"]);

/** The method of a side. */
export const methodOf = (state, side) => (side === "a" ? state.attn : state.other);

let last = { of: "", numbers: null };

/** Q, K, V and dy as the seed draws them; the last ones are kept, since every changed cell asks for them. */
async function drawn({ n, p, seed }) {
  const of = JSON.stringify([n, p, seed]);
  if (last.of !== of) {
    const { q, k, v, dy } = await ask({ ask: "method", attn: EXACT, n, p, seed });
    last = { of, numbers: { q, k, v, dy } };
  }
  return last.numbers;
}

/** A matrix with some of its cells changed. */
export function withCells(rows, cells) {
  const copy = rows.map((row) => row.slice());
  for (const [place, value] of cells) {
    const [i, j] = place.split(".");
    if (i < copy.length && j < copy[i].length) copy[i][j] = value;
  }
  return copy;
}

/** Q, K, V and dy with their changed cells. */
export async function numbers(state) {
  const own = await drawn(state);
  return Object.fromEntries(MATRICES.map((name) => [name, withCells(own[name], state.cells[name])]));
}

/** The scene of a side. */
export async function scene(state, side) {
  const { n, p, features, precision } = state;
  const scene = { attn: methodOf(state, side), n, p, features, precision, seed: state.seed };
  if (state.draws !== null) scene.draw_seed = state.draws;
  if (MATRICES.some((name) => state.cells[name].size)) Object.assign(scene, await numbers(state));
  if (state.given[side].size) {
    const given = [...state.given[side]].map(([name, indices]) => [name, { indices }]);
    scene.draws = Object.fromEntries(given);
  }
  if (state.planted && side === "a") scene.planted = { ...state.planted, by: PLANTED };
  return scene;
}

/** Those of all sides. */
export const scenes = (state) => Promise.all(sides(state).map((side) => scene(state, side)));
