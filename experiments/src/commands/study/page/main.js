// The page: its rooms, its theme, and the URL that says all of what is shown.

import { el } from "./dom.js";
import { repaint } from "./matrix.js";
import { methodRoom } from "./method.js";
import { operatorRoom } from "./operator.js";
import { changed, read, write } from "./state.js";

const ROOMS = { method: ["A method", methodRoom], operator: ["An operator", operatorRoom] };

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
  const links = Object.entries(ROOMS).map(([key, [title]]) =>
    el("a", { href: "#" + key, "aria-current": key === name ? "page" : "false" }, title),
  );
  document.getElementById("rooms").replaceChildren(...links);
  room.update(page.state, place);
}

/** Light, dark, or as the system has it; the style sheet knows the first two. */
const THEMES = ["system", "light", "dark"];
const dark = matchMedia("(prefers-color-scheme: dark)");
let current = "system";
function theme(chosen) {
  current = chosen;
  const ofSystem = dark.matches ? "dark" : "light";
  document.documentElement.dataset.theme = chosen === "system" ? ofSystem : chosen;
  const next = THEMES[(THEMES.indexOf(chosen) + 1) % THEMES.length];
  const label = document.getElementById("theme");
  label.textContent = `Theme: ${chosen}`;
  label.onclick = () => theme(next);
  label.title = `Change to ${next}`;
  try {
    localStorage.setItem("theme", chosen);
  } catch {
    // A browser may forbid it: the theme then lasts as long as the page.
  }
  repaint();
}
function lastTheme() {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null;
  }
}

theme(THEMES.includes(lastTheme()) ? lastTheme() : "system");
dark.addEventListener("change", () => theme(current));
addEventListener("hashchange", () => {
  clearTimeout(remembering);
  page.state = read(location.hash);
  render();
});
render();
