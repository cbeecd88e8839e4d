/** The last minutes of a camera's counts, as decoration: the numbers are in the camera's own view. */

/** @import { Device, ShownState } from "./types.js" */
/** @import { Held } from "./histories.js" */

import { setAttribute, svg } from "./dom.js";
import { area, ceiling, line, since, thin, unbroken } from "./series.js";

/** So much of it, less while less is known. */
const LONGEST_SECONDS = 300;
const SHORTEST_SECONDS = 60;
const SIZE = { width: 100, height: 28 };
const MOST_POINTS = 120;

/** Without a count for this long, whatever the cadence, there is a gap. */
const SHORTEST_GAP_SECONDS = 60;

/** It moves on this often without news. */
const STEP_SECONDS = 5;

export class Sparkline {
  /** @param {Held} held */
  constructor(held) {
    this.#held = held;
  }

  #held;
  #area = svg("path", { class: "spark-area" });
  #line = svg("path", { class: "spark-line" });
  element = svg(
    "svg",
    {
      class: "sparkline",
      viewBox: `0 -2 ${SIZE.width} ${SIZE.height + 4}`,
      preserveAspectRatio: "none",
      "aria-hidden": "true",
    },
    this.#area,
    this.#line,
  );
  #drawn = "";

  /** @param {Device} device @param {ShownState} shown @param {number} now */
  render(device, shown, now) {
    setAttribute(this.element, "data-state", shown);
    const { points } = this.#held;
    const last = points.at(-1)?.timestamp ?? 0;
    const state = `${points.length} ${last} ${Math.floor(now / STEP_SECONDS)}`;
    if (state === this.#drawn) return;
    this.#drawn = state;
    // a gateway's clock that is a little ahead does not push its newest count out of sight
    const to = Math.max(now, last);
    const known = to - (points[0]?.timestamp ?? to);
    const from = to - Math.min(LONGEST_SECONDS, Math.max(SHORTEST_SECONDS, known));
    const recent = thin(since(points, from), MOST_POINTS);
    const parts = unbroken(recent, gap(device));
    const frame = { ...SIZE, from, to, top: ceiling(recent) };
    setAttribute(this.#area, "d", area(frame, parts));
    setAttribute(this.#line, "d", line(frame, parts));
  }
}

/** @param {Device} device @returns {number} seconds without a count after which nothing is known */
export function gap({ staleAfterSeconds }) {
  return Math.max(SHORTEST_GAP_SECONDS, 2 * (staleAfterSeconds ?? 0));
}
