// The derivation of an operator: the docs of its files, typeset, beside their source.

import { button, el, show } from "./dom.js";

export function derivationPanel() {
  const body = el("div");
  const element = el("section", { class: "derivation", "aria-label": "Derivation" }, el("h2", {}, "Derivation"), body);
  let shown = "";
  return {
    element,
    show({ sources }) {
      const of = JSON.stringify(sources.map(({ file, forward, docs }) => [file, forward, docs.length]));
      if (of === shown) return;
      shown = of;
      body.replaceChildren(...sources.map((source, at) => block(source, at === 0)));
      for (const pane of body.querySelectorAll("details[open] .source")) pane.dispatchEvent(new Event("seen"));
    },
  };
}

/** One file: docs and source side by side. */
function block(source, open) {
  const { file, docs, forward, backward } = source;
  const text = docs.flatMap(({ of, line, text }) => [
    ...(of === null ? [] : [el("h3", {}, el("code", {}, of), el("small", {}, ` line ${line}`))]),
    ...typeset(text),
  ]);
  const pane = sourcePane(source);
  const jump = (name, line) => (line === null ? [] : [button(`${name}: line ${line}`, () => pane.go(line))]);
  const jumps = el("div", { class: "line" }, ...jump("Forward", forward), ...jump("Backward", backward));
  show(jumps, forward !== null || backward !== null);
  return el(
    "details",
    { open, ontoggle: ({ target }) => target.open && pane.element.dispatchEvent(new Event("seen")) },
    el("summary", {}, el("code", {}, file)),
    el("div", { class: "side" }, el("div", { class: "docs" }, ...text), el("div", {}, jumps, pane.element)),
  );
}

/** The source with its numbers of lines, where forward and backward are marked. */
function sourcePane({ file, lines, forward, backward }) {
  const marks = new Map([
    [forward, "forward"],
    [backward, "backward"],
  ]);
  const line = (text, at) => {
    const mark = marks.get(at + 1);
    const told = mark ? [el("b", {}, ` ◂ ${mark}`)] : [];
    const attributes = mark ? { class: "marked", tabindex: "-1" } : {};
    return el("span", attributes, el("i", { "aria-hidden": "true" }, String(at + 1)), text, ...told, "\n");
  };
  const code = el("code", {}, ...lines.map(line));
  const element = el("pre", { class: "source", tabindex: "0", role: "region", "aria-label": `Source of ${file}` }, code);
  const to = (line) => (element.scrollTop = code.children[line - 1].offsetTop - 30);
  element.addEventListener("seen", () => forward && to(forward));
  return {
    element,
    go(line) {
      to(line);
      code.children[line - 1].focus({ preventScroll: true });
    },
  };
}

/** Docs in Markdown, as far as docs of this project go: headings, lists, tables, code. */
export function typeset(text) {
  const lines = text.split("\n");
  const blocks = [];
  const while_ = (fits) => {
    const taken = [];
    while (lines.length && fits(lines[0])) taken.push(lines.shift());
    return taken;
  };
  while (lines.length) {
    const line = lines[0];
    if (line.trim() === "") lines.shift();
    else if (line.startsWith("```")) {
      lines.shift();
      const code = while_((line) => !line.startsWith("```"));
      lines.shift();
      blocks.push(el("pre", { tabindex: "0" }, el("code", {}, code.join("\n"))));
    } else if (/^#+ /.test(line)) blocks.push(el("h4", {}, ...inline(lines.shift().replace(/^#+ /, ""))));
    else if (/^([*-]|\d+\.) /.test(line)) {
      const items = while_((line) => /^([*-]|\d+\.) |^ +\S/.test(line));
      const joined = items.reduce((all, line) => {
        if (/^\S/.test(line)) all.push(line.replace(/^\S+ /, ""));
        else all[all.length - 1] += ` ${line.trim()}`;
        return all;
      }, []);
      blocks.push(el(/^\d/.test(line) ? "ol" : "ul", {}, ...joined.map((item) => el("li", {}, ...inline(item)))));
    } else if (line.startsWith("|")) blocks.push(table(while_((line) => line.startsWith("|"))));
    else {
      const paragraph = while_((line) => line.trim() !== "" && !/^(```|#+ |\||[*-] |\d+\. )/.test(line));
      blocks.push(el("p", {}, ...inline(paragraph.join(" "))));
    }
  }
  return blocks;
}

function table(lines) {
  const cells = (line, tag) => {
    const parts = line.replace(/^\||\|\s*$/g, "").split("|");
    return el("tr", {}, ...parts.map((part) => el(tag, {}, ...inline(part.trim()))));
  };
  const [head, , ...rows] = lines;
  const body = el("tbody", {}, ...rows.map((row) => cells(row, "td")));
  return el("div", { class: "scroll" }, el("table", {}, el("thead", {}, cells(head, "th")), body));
}

/** Code, emphasis, and of links what they say: they lead to pages of the docs, which are not here. */
function inline(text) {
  const said = text.replace(/\[([^\][]+)\]\([^()]*(?:\([^()]*\))?[^()]*\)/g, "$1").replace(/(^|[^\\])\[(`[^`]+`)\]/g, "$1$2");
  const pieces = said.split(/(`[^`]+`|(?<=^|[\s(])\*\S(?:[^*]*\S)?\*(?=[\s.,;:)]|$))/);
  return pieces.filter(Boolean).map((piece) => {
    const plain = piece.replace(/\\([[\]_*|])/g, "$1");
    if (/^`.+`$/.test(piece)) return el("code", {}, piece.slice(1, -1).replace(/^mod@/, ""));
    if (/^\*\S(.*\S)?\*$/.test(piece)) return el("em", {}, plain.slice(1, -1));
    return plain;
  });
}
