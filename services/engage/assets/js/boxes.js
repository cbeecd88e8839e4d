/** The boxes of one picture as an SVG layer that scales exactly as the picture does. */

/** @import { Person } from "./types.js" */

import { svg } from "./dom.js";
import { percent } from "./format.js";

/** Height of a label in relation to the picture. */
const LABELS_PER_WIDTH = 48;

/**
 * A dark line below keeps the boxes visible on any ground. With scores each box is an element of its own;
 * without, one path holds them all, since a wall has many pictures.
 * @param {Person[]} people
 * @param {{ naturalWidth: number, naturalHeight: number }} picture
 * @param {boolean} scores whether each box is labelled with its score
 * @returns {SVGSVGElement}
 */
export function drawBoxes(people, { naturalWidth: width, naturalHeight: height }, scores) {
  const rects = people.map(({ box: [x, y, w, h], score }) => ({
    x: round(x * width),
    y: round(y * height),
    width: round(Math.max(0, w) * width),
    height: round(Math.max(0, h) * height),
    score,
  }));
  const outline = rects.map(({ x, y, width: w, height: h }) => `M${x} ${y}h${w}v${h}h${-w}z`).join("");
  const boxes = scores
    ? rects.map(({ score, ...place }) => svg("rect", { class: "box", ...place, "data-score": score }))
    : [svg("path", { class: "box", d: outline })];
  return svg(
    "svg",
    { class: "boxes", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true", "data-boxes": people.length },
    svg("path", { class: "casing", d: outline }),
    ...boxes,
    ...(scores ? rects.map((rect) => label(rect, width)) : []),
  );
}

/** @param {{ x: number, y: number, score: number }} rect @param {number} width of the picture */
function label({ x, y, score }, width) {
  const size = width / LABELS_PER_WIDTH;
  const text = svg("text", { class: "score", x, y: Math.max(size, round(y - size / 4)), "font-size": round(size) });
  text.textContent = percent(score);
  return text;
}

/** A tenth of a pixel is fine enough. @param {number} value */
function round(value) {
  return Math.round(value * 10) / 10;
}
