// Elements from a tag, attributes and children. Text only ever enters as text, so that no answer can bring markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** `el("p", { class: "hint", onclick: f }, "text", el("b"))` */
export const el = (tag, attributes = {}, ...children) =>
  fill(document.createElement(tag), attributes, children);

/** The same of SVG. */
export const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

/** A button. */
export const button = (text, onclick, more = {}) =>
  el("button", { type: "button", onclick, ...more }, text);

/** A list to choose from. */
export const select = (values, attributes) =>
  el("select", attributes, ...values.map((value) => el("option", { value }, String(value))));

/** Hides or shows. */
export const show = (element, shown) => element.toggleAttribute("hidden", !shown);
