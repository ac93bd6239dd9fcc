// Questions to the engine and its answers, both JSON. How they travel is one function: over HTTP to the server that
// gave this page, until `travel` is told another way, such as the engine itself as WebAssembly.

/** What an answer is when there is none: one sentence. */
export class Refused extends Error {}

async function post(path, body, signal) {
  let response;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
      signal,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("No answer: is `skein study` still running?");
  }
  const text = await response.text();
  if (!response.ok) throw new Refused(text.trim() || `No answer (${response.status}).`);
  return text;
}

let transport = (question, signal) => post("answer", question, signal);

/** Questions go this way from now on: from a text and an AbortSignal to the promise of a text. */
export function travel(way) {
  transport = way;
}

/** The answer to a question; rejects with [Refused] where there is none. */
export async function ask(question, signal) {
  return JSON.parse(await transport(JSON.stringify(question), signal));
}

/** The answer of the server at another path than that of questions: of runs and tapes, which need files. */
export async function fetched(path, question, signal) {
  return JSON.parse(await post(path, JSON.stringify(question), signal));
}

/**
 * Work of which only the newest matters: while one runs, the last one that came waits and all between are dropped, so
 * that dragging a number asks as fast as answers come and no faster.
 */
export function newest(work) {
  let running = false;
  let waiting = null;
  return async function run(...given) {
    waiting = given;
    if (running) return;
    running = true;
    try {
      while (waiting) {
        const next = waiting;
        waiting = null;
        await work(...next, () => waiting !== null);
      }
    } finally {
      running = false;
    }
  };
}
