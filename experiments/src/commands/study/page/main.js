// The page: its rooms, its theme, and the URL that says all of what is shown.

import { travel } from "./ask.js";
import { el } from "./dom.js";
import { embedded } from "./engine.js";
import { gridRoom } from "./grid.js";
import { repaint } from "./matrix.js";
import { methodRoom } from "./method.js";
import { operatorRoom } from "./operator.js";
import { runRoom } from "./run.js";
import { changed, read, usual, write } from "./state.js";
import { tapeRoom } from "./tape.js";
import { themeSwitch } from "./theme.js";

/** On a page that is one file: how questions travel there, and what it shows first. Files of runs need a server. */
const alone = embedded();
const ROOMS = {
  method: ["A method", methodRoom],
  operator: ["An operator", operatorRoom],
  ...(alone ? {} : { run: ["A run", runRoom], tape: ["A tape", tapeRoom], grid: ["A grid", gridRoom] }),
};
if (alone) {
  travel(alone.way);
  alone.note.then((note) => document.body.append(el("footer", {}, note)));
}
const first = document.getElementById("first");
const stateOf = (hash) => read(hash || (first ? JSON.parse(first.textContent) : ""));

const page = {
  state: stateOf(location.hash),
  /** Changes the state; `place` is the element at which a refusal is told. */
  change(change, place) {
    page.state = changed(page.state, change);
    remember();
    render(place);
  },
};

/** Browsers refuse many changes of the URL a second, and dragging makes many. */
let remembering = 0;
function remember() {
  clearTimeout(remembering);
  remembering = setTimeout(() => history.replaceState(null, "", write(page.state)), 200);
}

const links = new Map(Object.entries(ROOMS).map(([key, [title]]) => [key, el("a", {}, title)]));
document.getElementById("rooms").append(...links.values());
const made = new Map();
function render(place) {
  const name = Object.hasOwn(ROOMS, page.state.room) ? page.state.room : "method";
  if (!made.has(name)) made.set(name, ROOMS[name][1](page));
  const room = made.get(name);
  const main = document.getElementById("room");
  if (room.element.parentNode !== main) main.replaceChildren(room.element);
  document.title = `${room.title(page.state)} | skein study`;
  const { run, grid } = page.state; // the run and the grid that were chosen go along
  for (const [key, link] of links) {
    link.setAttribute("href", write({ ...usual(), room: key, run, grid }));
    link.setAttribute("aria-current", key === name ? "page" : "false");
  }
  room.update(page.state, place);
}

themeSwitch(document.getElementById("theme"), repaint);
addEventListener("hashchange", () => {
  clearTimeout(remembering);
  page.state = stateOf(location.hash);
  render();
});
render();
