// What takes longer than a page waits: the server is asked again until it is done. The same question finds the same work,
// so that a reload begins nothing twice.

import { fetched, Refused } from "./ask.js";
import { button, el, show } from "./dom.js";
import { whole } from "./number.js";

const [FIRST, LONGEST] = [60, 500]; // milliseconds between two questions

const pause = (time, signal) =>
  new Promise((done, failed) => {
    const broken = () => {
      clearTimeout(timer);
      failed(new DOMException("", "AbortError"));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", broken);
      done();
    }, time);
    signal?.addEventListener("abort", broken, { once: true });
  });

/** The answer at a path when it is done; `tell` hears how far it is. */
async function awaited(path, question, tell, signal) {
  for (let time = FIRST; ; time = Math.min(LONGEST, 1.5 * time)) {
    const answer = await fetched(path, question, signal);
    if (answer.state === "done") return answer;
    tell(answer);
    await pause(time, signal);
  }
}

/** A line that says how far some work is, with a button that stops it. `unit` is what is counted. */
export function workLine(path, unit) {
  const bar = el("progress", { "aria-label": "How far it is" });
  const said = el("span", { role: "status" });
  const stop = button("Stop", () => {
    if (!running) return;
    running.abort();
    fetched(path, { ...asked, stop: true }).catch((error) => {
      if (!(error instanceof Refused)) throw error; // that it was stopped is said so
    });
  });
  const element = el("div", { class: "line work", hidden: true }, bar, said, stop);
  let running = null;
  let asked = null;

  function tell({ state, done, all }) {
    if (state === "waiting") said.textContent = "waiting for other work to end …";
    else if (!all) said.textContent = "reading the data …";
    else said.textContent = `${whole(done)} of ${whole(all)} ${unit} …`;
    if (all) {
      bar.max = all;
      bar.value = done;
    } else bar.removeAttribute("value");
  }
  return {
    element,
    /** The answer, or null if it was stopped or another question has come. */
    async ask(question) {
      running?.abort();
      const own = new AbortController();
      [running, asked] = [own, question];
      const late = setTimeout(() => show(element, true), 250);
      try {
        const answer = await awaited(path, question, tell, own.signal);
        return running === own ? answer : null;
      } catch (error) {
        if (error.name === "AbortError") return null;
        throw error;
      } finally {
        clearTimeout(late);
        if (running === own) {
          running = null;
          show(element, false);
        }
      }
    },
    get isBusy() {
      return running !== null;
    },
  };
}
