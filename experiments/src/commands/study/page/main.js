// The page: its rooms, its theme, and the URL that says all of what is shown.

import { el } from "./dom.js";
import { repaint } from "./matrix.js";
import { methodRoom } from "./method.js";
import { runRoom } from "./run.js";
import { changed, read, usual, write } from "./state.js";
import { tapeRoom } from "./tape.js";
import { themeSwitch } from "./theme.js";

const ROOMS = {
  method: ["A method", methodRoom],
  run: ["A run", runRoom],
  tape: ["A tape", tapeRoom],
};

const page = {
  state: read(location.hash),
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

const made = new Map();
function render(place) {
  const name = ROOMS[page.state.room] ? page.state.room : "method";
  if (!made.has(name)) made.set(name, ROOMS[name][1](page));
  const room = made.get(name);
  const main = document.getElementById("room");
  if (room.element.parentNode !== main) main.replaceChildren(room.element);
  document.title = `${room.title(page.state)} | skein study`;
  const links = Object.entries(ROOMS).map(([key, [title]]) => {
    const href = write({ ...usual(), room: key, run: page.state.run }); // the run that was chosen goes along
    return el("a", { href, "aria-current": key === name ? "page" : "false" }, title);
  });
  document.getElementById("rooms").replaceChildren(...links);
  room.update(page.state, place);
}

themeSwitch(document.getElementById("theme"), repaint);
addEventListener("hashchange", () => {
  clearTimeout(remembering);
  page.state = read(location.hash);
  render();
});
render();
