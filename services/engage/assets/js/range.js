/** Which part of a long list is on screen. Pure. */

/**
 * @typedef {object} Strip  lengths in pixels
 * @property {number} count  of cells
 * @property {number} columns
 * @property {number} pitch  from one row to the next
 * @property {number} above  how much of the list is scrolled out above the window; negative: it starts lower
 * @property {number} height  of the window
 */

/** Rows beyond either edge: what the keyboard or a wheel reaches next is there already. */
const OVERSCAN_ROWS = 1;

/** Pages that are asked for start and end at multiples of this: a little scrolling asks for nothing new. */
const PAGE_STEP = 12;

/** The server gives no larger page. */
const LARGEST_PAGE = 500;

/** @param {Strip} strip @returns {{ first: number, end: number, rows: number, firstRow: number }} `end` is exclusive */
export function visible({ count, columns, pitch, above, height }) {
  const rows = Math.ceil(count / columns);
  const start = Math.floor(above / pitch) - OVERSCAN_ROWS;
  const stop = Math.ceil((above + height) / pitch) + OVERSCAN_ROWS;
  const firstRow = Math.min(Math.max(0, start), Math.max(0, rows - 1));
  const endRow = Math.min(rows, Math.max(stop, firstRow + 1));
  return { first: firstRow * columns, end: Math.min(count, endRow * columns), rows, firstRow };
}

/** How many rows are in the page at most, wherever it is scrolled to. @param {Pick<Strip, "pitch" | "height">} strip */
export function mostRows({ pitch, height }) {
  // one that is cut off above and one below make one more than fit
  return Math.ceil(height / pitch) + 1 + 2 * OVERSCAN_ROWS;
}

/** @param {{ first: number, end: number }} range @returns {{ offset: number, limit: number }} a page that holds it */
export function pageOf({ first, end }) {
  const offset = Math.floor(first / PAGE_STEP) * PAGE_STEP;
  const limit = Math.max(PAGE_STEP, Math.ceil(end / PAGE_STEP) * PAGE_STEP - offset);
  return { offset, limit: Math.min(LARGEST_PAGE, limit) };
}
