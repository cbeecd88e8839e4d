/** Counts over time as lines: where they are drawn, and where nothing is known. Pure. */

/** @import { Point } from "./types.js" */

/**
 * @typedef {object} Frame  what is drawn where
 * @property {number} from  Unix seconds at the left edge
 * @property {number} to  at the right edge
 * @property {number} top  the count at the upper edge
 * @property {number} width
 * @property {number} height
 */

/**
 * Parts without a gap: between two counts that are further apart than `longest` nothing is known.
 * @param {Point[]} points oldest first @param {number} longest seconds
 * @returns {Point[][]}
 */
export function unbroken(points, longest) {
  /** @type {Point[][]} */
  const parts = [];
  for (const point of points) {
    const last = parts.at(-1)?.at(-1);
    if (last === undefined || point.timestamp - last.timestamp > longest) parts.push([]);
    parts.at(-1)?.push(point);
  }
  return parts;
}

/** @param {Point[]} points oldest first @param {number} from @returns {Point[]} with the last before `from`, so that the line reaches the edge */
export function since(points, from) {
  const index = points.findIndex(({ timestamp }) => timestamp >= from);
  return index === -1 ? [] : points.slice(Math.max(0, index - 1));
}

/** @param {Frame} frame @param {Point} point @returns {[number, number]} */
export function place({ from, to, top, width, height }, { timestamp, count }) {
  const x = ((timestamp - from) / Math.max(to - from, 1e-9)) * width;
  return [round(x), round(height - (count / top) * height)];
}

/** @param {Frame} frame @param {Point[][]} parts @returns {string} path data of the lines */
export function line(frame, parts) {
  return parts.map((part) => `M${part.map((point) => place(frame, point).join(" ")).join("L")}`).join("");
}

/** @param {Frame} frame @param {Point[][]} parts @returns {string} path data of the ground below the lines */
export function area(frame, parts) {
  const bottom = frame.height;
  return parts
    .filter((part) => part.length > 1)
    .map((part) => {
      const [first, last] = [place(frame, part[0])[0], place(frame, part[part.length - 1])[0]];
      return `M${first} ${bottom}L${part.map((point) => place(frame, point).join(" ")).join("L")}L${last} ${bottom}z`;
    })
    .join("");
}

/** Fewer points, none of the extremes lost: the least and the most of each part of the time. @param {Point[]} points @param {number} most */
export function thin(points, most) {
  if (points.length <= most) return points;
  const size = Math.ceil((2 * points.length) / most);
  /** @type {Point[]} */
  const kept = [];
  for (let start = 0; start < points.length; start += size) {
    const part = points.slice(start, start + size);
    const least = part.reduce((a, b) => (b.count < a.count ? b : a));
    const greatest = part.reduce((a, b) => (b.count > a.count ? b : a));
    kept.push(...(least === greatest ? [least] : [least, greatest].sort((a, b) => a.timestamp - b.timestamp)));
  }
  return kept;
}

/** Lines of the grid, hence what the ceiling is divided by. */
export const GRID_LINES = 4;

/** A round number at or above the highest count, of which all parts by the grid are whole. @param {Point[]} points */
export function ceiling(points) {
  const highest = points.reduce((most, { count }) => Math.max(most, count), 0);
  const step = GRID_LINES * 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, highest))) - 1);
  return Math.max(GRID_LINES, Math.ceil(highest / step) * step);
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 10) / 10;
}
