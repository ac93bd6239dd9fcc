// A page that was written as one file answers its questions itself: with the engine as WebAssembly, in a worker, so that
// the page stays alive meanwhile; and where there is none, with the answers that were recorded when it was written.

import { Refused } from "./ask.js";

const part = (id) => document.getElementById(id)?.textContent.trim() || null;

/** The same text for questions that differ only in the order of their parts. */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const names = Object.keys(value).filter((name) => value[name] !== undefined).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join()}}`;
}

/** What the worker does: one question after another. A module that has stopped is begun anew. */
function work() {
  let compiled = null;
  let engine = null;
  const answer = (question) => {
    const bytes = new TextEncoder().encode(question);
    const at = engine.space(bytes.length);
    new Uint8Array(engine.memory.buffer, at, bytes.length).set(bytes);
    const answered = engine.ask() === 1;
    const text = new Uint8Array(engine.memory.buffer, engine.start(), engine.length());
    return { answered, text: new TextDecoder().decode(text) };
  };
  self.onmessage = async ({ data: { code, id, question } }) => {
    if (code) {
      compiled = WebAssembly.compile(code);
      return;
    }
    try {
      engine ??= (await WebAssembly.instantiate(await compiled, {})).exports;
      self.postMessage({ id, ...answer(question) });
    } catch (error) {
      engine = null;
      self.postMessage({ id, answered: false, text: `The engine has stopped at this question (${error.message}).` });
    }
  };
}

/** A way for questions to the module in a worker. */
function working(code) {
  const bytes = Uint8Array.from(atob(code), (letter) => letter.charCodeAt(0));
  const script = URL.createObjectURL(new Blob([`(${work})()`], { type: "text/javascript" }));
  const waiting = new Map();
  let worker, asked = 0;
  const begin = () => {
    worker = new Worker(script);
    worker.postMessage({ code: bytes });
    worker.onerror = () => {
      for (const { reject } of waiting.values()) reject(new Refused("The engine of this page does not start here."));
      waiting.clear();
    };
    worker.onmessage = ({ data: { id, answered, text } }) => {
      const { resolve, reject } = waiting.get(id) ?? {};
      waiting.delete(id);
      if (answered) resolve?.(text);
      else reject?.(new Refused(text));
    };
  };
  begin();
  return (question, signal) =>
    new Promise((resolve, reject) => {
      const id = asked++;
      waiting.set(id, { resolve, reject });
      signal?.addEventListener("abort", () => {
        if (waiting.delete(id)) reject(new DOMException("cancelled", "AbortError"));
        if (waiting.size > 0) return;
        worker.terminate(); // Nobody else waits for it.
        begin();
      });
      worker.postMessage({ id, question });
    });
}

const isMatrix = (x) => Array.isArray(x) && x.flat().every((x) => typeof x === "number") && x.length > 0;

/** The largest difference of numbers in the same place, as a share of the largest number of their matrix or, of a number
 * by itself, of that; infinite where anything else differs. */
function apart(a, b) {
  if (isMatrix(a) && isMatrix(b) && a.flat().length === b.flat().length) {
    const [all, others] = [a.flat(), b.flat()];
    const most = all.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    return all.reduce((far, x, at) => Math.max(far, x === others[at] ? 0 : Math.abs(x - others[at]) / most), 0);
  }
  if (typeof a === "number" && typeof b === "number") return a === b ? 0 : Math.abs(a - b) / Math.abs(a);
  if (a === null || b === null || typeof a !== "object" || typeof b !== "object") return a === b ? 0 : Infinity;
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].reduce((far, name) => Math.max(far, apart(a[name], b[name])), 0);
}

/** What the page says of its engine: how far its answers are from the recorded ones. Finite differences of both are left
 * out: they magnify rounding. */
async function compare(recorded, way) {
  const kept = (name, value) => (name === "finite" ? undefined : value);
  let most = 0;
  for (const [question, answer] of recorded) {
    most = Math.max(most, apart(JSON.parse(answer, kept), JSON.parse(await way(question), kept)));
  }
  if (most === 0) return "The engine in this page gives the numbers of the program that wrote it, to the bit.";
  if (most === Infinity) return "The engine in this page is not that of the program that wrote it: answers differ.";
  return (
    `The engine in this page and the program that wrote it differ by at most ${most.toExponential(0)} of the ` +
    "largest number of a matrix: products of matrices are rounded once for each multiply-add there and twice here."
  );
}

/** How questions travel on a page that is one file; null on one that a server gives. */
export function embedded() {
  const text = part("recorded");
  if (!text) return null;
  const recorded = JSON.parse(text);
  const answers = new Map(recorded.map(([question, answer]) => [canonical(JSON.parse(question)), answer]));
  const code = part("engine");
  if (code) {
    const way = working(code);
    const note = compare(recorded, way).catch((error) => `The engine in this page does not work here: ${error.message}`);
    return { way, note };
  }
  const way = async (question) => {
    const answer = answers.get(canonical(JSON.parse(question)));
    if (answer) return answer;
    throw new Refused("This page was written without the engine: it has the answers to what it first shows, and no others.");
  };
  return { way, note: Promise.resolve("This page has recorded answers only: it was written without the engine.") };
}
