// What elements need in this page beyond those that all pages share.

import { Refused } from "./ask.js";
import { el } from "./elements.js";
import { format } from "./number.js";

export { button, el, select, show, svg } from "./elements.js";

/** A number in few digits, and in all of them on hover. */
export const number = (x, digits) =>
  el("data", { value: format(x), title: format(x) }, format(x, digits));

/** A line for the sentence of a refusal; what is no refusal is a mistake of this page and goes on to the console. */
export function refusalLine() {
  const element = el("p", { class: "refused", role: "status" });
  return {
    element,
    clear: () => (element.textContent = ""),
    tell(error) {
      if (!(error instanceof Refused)) throw error;
      element.textContent = error.message;
    },
  };
}
