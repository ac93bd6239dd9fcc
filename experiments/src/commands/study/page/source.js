// The source of a node, around the line where it and its gradient are written.

import { fetched } from "./ask.js";
import { el, refusalLine } from "./dom.js";

export function sourcePanel() {
  const place = el("code");
  const text = el("pre", { class: "source", tabindex: "0", "aria-label": "Source" });
  const refusal = refusalLine();
  const element = el("div", { class: "of-source" }, el("h4", {}, "Written in ", place), refusal.element, text);
  let of = "";
  return {
    element,
    async show({ file, line }) {
      const key = `${file}:${line}`;
      place.textContent = key;
      if (key === of) return;
      of = key;
      try {
        const part = await fetched("source", { file, line });
        if (key !== of) return;
        const lines = part.lines.map((code, at) => {
          const number = part.first + at;
          return el("span", { class: number === line ? "here" : "", "data-line": number }, code + "\n");
        });
        text.replaceChildren(...lines);
        const here = lines[line - part.first];
        text.scrollTop = here.offsetTop - text.clientHeight / 2;
        refusal.clear();
      } catch (error) {
        of = "";
        text.replaceChildren();
        refusal.tell(error);
      }
    },
  };
}
