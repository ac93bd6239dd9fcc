// The room of a run: the list of runs, and of the one that is chosen its curves, what its files say, how it confuses the
// classes, and the norms of its nodes over steps.

import { fetched } from "./ask.js";
import { detailsPanel } from "./details.js";
import { el, refusalLine, show } from "./dom.js";
import { judgedPanel } from "./judged.js";
import { livePanel } from "./live.js";
import { runList } from "./runs.js";
import { scanPanel } from "./scan.js";

export function runRoom(page) {
  const list = runList(page, "run");
  const live = livePanel(page, () => scan.update(page.state, live.done()));
  const details = detailsPanel();
  const judged = judgedPanel(page);
  const scan = scanPanel(page);
  const title = el("h2", { class: "name" });
  const refusal = refusalLine();
  const chosen = el(
    "div",
    { class: "chosen" },
    title,
    refusal.element,
    details.outcome,
    ...[live, scan, judged, details].map(({ element }) => element),
  );
  const element = el("div", { class: "run" }, list.element, chosen);
  let of = null;

  async function read(run) {
    try {
      const told = await fetched("run", { run });
      if (run !== of) return;
      details.show(told);
      refusal.clear();
    } catch (error) {
      if (run === of) refusal.tell(error);
    }
  }
  return {
    element,
    title: ({ run }) => (run ? `${run}: curves, norms and mistakes of a run` : "Runs"),
    update(state) {
      list.update();
      show(chosen, state.run !== "");
      title.textContent = state.run;
      if (state.run !== of) {
        of = state.run;
        details.clear();
        if (of) read(of);
      }
      live.update(state);
      judged.update(state);
      scan.update(state, live.done());
    },
  };
}
