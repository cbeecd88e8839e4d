/**
 * The history of one camera as a chart. A cursor reads single counts: with the pointer, or with the arrow keys.
 */

/** @import { Device, Point } from "./types.js" */

import { html, setAttribute, setText, setVisible, svg } from "./dom.js";
import { clockTime, plural } from "./format.js";
import { GRID_LINES, area, ceiling, line, place, since, thin, unbroken } from "./series.js";
import { gap } from "./sparkline.js";

/** In units of the drawing, which is stretched to the room there is. */
const SIZE = { width: 1000, height: 240 };

const MOST_POINTS = 800;
const TIME_MARKS = 4;
const PAGE = 10;

export class Chart {
  constructor() {
    this.#plot.addEventListener("pointermove", (event) => this.#pointAt(event));
    this.#plot.addEventListener("pointerleave", () => this.#choose(null));
    this.#plot.addEventListener("keydown", (event) => this.#key(event));
    this.#plot.addEventListener("blur", () => this.#choose(null));
  }

  #grid = svg("path", { class: "chart-grid" });
  #area = svg("path", { class: "chart-area" });
  #line = svg("path", { class: "chart-line" });
  #cursor = svg("path", { class: "chart-cursor" });
  #dot = html("span", { class: "chart-dot", hidden: "" });
  #drawing = svg(
    "svg",
    { viewBox: `0 0 ${SIZE.width} ${SIZE.height}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    this.#grid,
    this.#area,
    this.#line,
    this.#cursor,
  );
  #plot = html(
    "div",
    { class: "chart-plot", tabindex: "0", role: "slider", "aria-label": "Counts over time", "aria-orientation": "horizontal" },
    this.#drawing,
    this.#dot,
  );
  #counts = html("div", { class: "chart-counts", "aria-hidden": "true" });
  #times = html("div", { class: "chart-times", "aria-hidden": "true" });
  #readout = html("p", { class: "chart-readout" });
  element = html("div", { class: "chart" }, this.#readout, this.#counts, this.#plot, this.#times);

  /** @type {Point[]} */
  #points = [];
  #frame = { ...SIZE, from: 0, to: 1, top: 1 };
  #now = 0;
  /** @type {number | null} the timestamp under the cursor */
  #chosen = null;

  /** @param {Point[]} points all that are known @param {number} seconds how far back @param {number} now @param {Device | null} device */
  render(points, seconds, now, device) {
    this.#now = now;
    const to = Math.max(now, points.at(-1)?.timestamp ?? 0);
    const from = Number.isFinite(seconds) ? to - seconds : (points[0]?.timestamp ?? to - 60);
    this.#points = points.filter(({ timestamp }) => timestamp >= from);
    const shown = thin(since(points, from), MOST_POINTS);
    this.#frame = { ...SIZE, from, to, top: ceiling(shown) };
    const parts = unbroken(shown, device === null ? Infinity : gap(device));
    setAttribute(this.#area, "d", area(this.#frame, parts));
    setAttribute(this.#line, "d", line(this.#frame, parts));
    this.#renderScales();
    this.#renderCursor();
  }

  #renderScales() {
    const { from, to, top } = this.#frame;
    const rows = Array.from({ length: GRID_LINES + 1 }, (_, row) => row / GRID_LINES);
    setAttribute(this.#grid, "d", rows.map((row) => `M0 ${row * SIZE.height}H${SIZE.width}`).join(""));
    marks(this.#counts, rows.map((row) => (top * (1 - row)).toLocaleString("en")));
    const moments = Array.from({ length: TIME_MARKS + 1 }, (_, mark) => from + ((to - from) * mark) / TIME_MARKS);
    marks(this.#times, moments.map((moment) => clockTime(moment, this.#now)));
  }

  #renderCursor() {
    const index = this.#index();
    const point = index === -1 ? undefined : this.#points[index];
    setVisible(this.#dot, point !== undefined);
    setVisible(this.#plot, this.#points.length > 0);
    const newest = this.#points.at(-1);
    setText(this.#readout, point === undefined ? this.#summary() : this.#words(point));
    setAttribute(this.#plot, "aria-valuemin", "0");
    setAttribute(this.#plot, "aria-valuemax", String(Math.max(0, this.#points.length - 1)));
    setAttribute(this.#plot, "aria-valuenow", String(index === -1 ? Math.max(0, this.#points.length - 1) : index));
    setAttribute(this.#plot, "aria-valuetext", newest === undefined ? "no count" : this.#words(point ?? newest));
    if (point === undefined) {
      setAttribute(this.#cursor, "d", null);
      return;
    }
    const [x, y] = place(this.#frame, point);
    setAttribute(this.#cursor, "d", `M${x} 0V${SIZE.height}`);
    this.#dot.style.left = `${(100 * x) / SIZE.width}%`;
    this.#dot.style.top = `${(100 * y) / SIZE.height}%`;
  }

  /** @param {Point} point */
  #words({ timestamp, count }) {
    return `${count} ${plural(count, "person", "people")} at ${clockTime(timestamp, this.#now)}`;
  }

  #summary() {
    const counts = this.#points.map(({ count }) => count);
    if (counts.length === 0) return "No count in this time";
    const [least, most] = [Math.min(...counts), Math.max(...counts)];
    const average = counts.reduce((sum, count) => sum + count, 0) / counts.length;
    return `${counts.length} ${plural(counts.length, "count", "counts")}: ${least} to ${most} people, ${average.toFixed(1)} on average`;
  }

  #index() {
    return this.#chosen === null ? -1 : this.#points.findIndex(({ timestamp }) => timestamp === this.#chosen);
  }

  /** @param {number | null} index */
  #choose(index) {
    this.#chosen = index === null ? null : (this.#points[index]?.timestamp ?? null);
    this.#renderCursor();
  }

  /** @param {PointerEvent} event */
  #pointAt(event) {
    const { left, width } = this.#plot.getBoundingClientRect();
    const { from, to } = this.#frame;
    const moment = from + ((event.clientX - left) / width) * (to - from);
    let nearest = 0;
    this.#points.forEach(({ timestamp }, index) => {
      if (Math.abs(timestamp - moment) < Math.abs(this.#points[nearest].timestamp - moment)) nearest = index;
    });
    this.#choose(nearest);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const last = this.#points.length - 1;
    const at = this.#index() === -1 ? last : this.#index();
    /** @type {Record<string, number>} */
    const target = {
      ArrowLeft: at - 1,
      ArrowDown: at - 1,
      ArrowRight: at + 1,
      ArrowUp: at + 1,
      PageDown: at - PAGE,
      PageUp: at + PAGE,
      Home: 0,
      End: last,
    };
    if (last < 0 || !(event.key in target)) return;
    event.preventDefault();
    this.#choose(Math.min(last, Math.max(0, target[event.key])));
  }
}

/** @param {HTMLElement} scale @param {string[]} texts */
function marks(scale, texts) {
  while (scale.children.length < texts.length) scale.append(html("span"));
  texts.forEach((text, index) => setText(scale.children[index], text));
}
