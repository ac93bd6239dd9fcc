// A report, made alive: its curves from the numbers that stand in the page. Without this script it has pictures of them.

import { board } from "./board.js";
import { curves } from "./curves.js";
import { el, show } from "./elements.js";
import { themeSwitch } from "./theme.js";

/** Numbers as the page has them: `{ from, count }`, or doubles in base64. */
function numbers(written) {
  if (typeof written !== "string") return Array.from({ length: written.count }, (_, at) => written.from + at);
  const bytes = Uint8Array.from(atob(written), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Array.from({ length: bytes.length / 8 }, (_, at) => view.getFloat64(8 * at, true));
}

function series({ name, dots, x, y, low, high }) {
  const [xs, ys] = [numbers(x), numbers(y)];
  const points = xs.map((x, at) => [x, ys[at]]);
  if (!low) return { name, dots, points };
  const [lows, highs] = [numbers(low), numbers(high)];
  return { name, dots, points, band: xs.map((x, at) => [x, lows[at], highs[at]]) };
}

/** A table that is wider than its place says so. */
function wideTable(place) {
  const hint = el("p", { class: "hint" }, "→ The table goes on to the right: scroll it.");
  place.before(hint);
  const measure = () => {
    const goesOn = place.scrollWidth > place.clientWidth + 1;
    show(hint, goesOn);
    place.tabIndex = goesOn ? 0 : -1;
  };
  new ResizeObserver(() => requestAnimationFrame(measure)).observe(place);
  measure();
}

const theme = document.getElementById("theme");
show(theme, true);
themeSwitch(theme);
for (const { id, span, charts } of JSON.parse(document.getElementById("numbers").textContent)) {
  const shared = board({ span });
  const made = charts.map((chart) => curves({ ...chart, series: chart.series.map(series), shared }));
  const figures = el("div", { class: "figures" }, ...made.map(({ element }) => element));
  document.getElementById(id).replaceChildren(shared.element, figures);
  made.forEach(({ paint }) => paint());
}
document.querySelectorAll(".wide").forEach(wideTable);
