/** The boxes of one picture as an SVG layer that scales exactly as the picture does. */

/** @import { Person } from "./types.js" */

import { svg } from "./dom.js";

/**
 * Each box is one `rect.box` with its score; a single dark path below them all keeps them visible on any ground.
 * @param {Person[]} people
 * @param {{ naturalWidth: number, naturalHeight: number }} picture
 * @returns {SVGSVGElement}
 */
export function drawBoxes(people, { naturalWidth: width, naturalHeight: height }) {
  const rects = people.map(({ box: [x, y, w, h], score }) => ({
    x: round(x * width),
    y: round(y * height),
    width: round(Math.max(0, w) * width),
    height: round(Math.max(0, h) * height),
    score,
  }));
  const casing = rects.map(({ x, y, width: w, height: h }) => `M${x} ${y}h${w}v${h}h${-w}z`).join("");
  return svg(
    "svg",
    { class: "boxes", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true", "data-boxes": people.length },
    svg("path", { class: "casing", d: casing }),
    ...rects.map(({ score, ...place }) => svg("rect", { class: "box", ...place, "data-score": score })),
  );
}

/** A tenth of a pixel is fine enough. @param {number} value */
function round(value) {
  return Math.round(value * 10) / 10;
}
