// An example as people read it: texts, or pictures.

import { el } from "./dom.js";

function picture(pixels) {
  const canvas = el("canvas", {
    width: pixels[0].length,
    height: pixels.length,
    role: "img",
    "aria-label": "the picture",
  });
  const pen = canvas.getContext("2d");
  const image = new ImageData(pixels[0].length, pixels.length);
  pixels.flat().forEach((grey, at) => image.data.set([grey, grey, grey, 255], 4 * at));
  pen.putImageData(image, 0, 0);
  return canvas;
}

/** The documents of an example. */
export const documents = (shown) =>
  el(
    "div",
    { class: "documents" },
    ...shown.map((one) => (one.pixels ? picture(one.pixels) : el("pre", { tabindex: "0" }, one.text))),
  );
