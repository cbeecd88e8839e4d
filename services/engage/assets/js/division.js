/**
 * How the wall is divided: so that every camera is seen at once with the largest pictures, the words below or beside
 * them, or, when they cannot all be seen, in as many columns as stay comfortable to look at and light to show.
 */

import { mostRows } from "./range.js";

/**
 * @typedef {object} Space  all lengths in one unit
 * @property {number} count  of cameras
 * @property {number} width
 * @property {number} height  what is visible below the header
 * @property {number} gap
 * @property {number} aspect  width by height of a picture
 * @property {number} below  height of the words of a card below its picture
 * @property {{ width: number, widest: number, height: number } | null} beside  room for the words beside the picture;
 *   null: they never stand there
 * @property {number} smallest  width of a picture
 * @property {number} comfortable  width of a card when scrolling is needed anyway
 * @property {number} screen  height of the window, which is full of cards then
 * @property {number} most  cards that may be in the page then: more of them would make a large screen slow
 *
 * @typedef {object} Division
 * @property {number} columns
 * @property {number} card  width
 * @property {number} picture  width
 * @property {boolean} beside  whether the words stand beside the picture
 */

/** Words beside the picture are the exception: the pictures must gain this much by it. */
const WORTHWHILE = 1.05;

/** @param {Space} space @returns {Division} */
export function divide(space) {
  /** @type {Division | null} */
  let best = null;
  for (let columns = 1; columns <= Math.max(space.count, 1) && columnWidth(space, columns) >= space.smallest; columns += 1) {
    for (const division of divisions(space, columns)) {
      const gain = best !== null && division.beside && !best.beside ? WORTHWHILE : 1;
      if (division.picture >= space.smallest && division.picture > gain * (best?.picture ?? 0)) best = division;
    }
  }
  return best ?? scrolling(space);
}

/** @param {Space} space @param {number} columns */
function columnWidth({ width, gap }, columns) {
  return (width - gap * (columns - 1)) / columns;
}

/** From one row of cards to the next, when they are as wide as they can be. @param {Space} space @param {number} columns */
function pitch(space, columns) {
  return columnWidth(space, columns) / space.aspect + space.below + space.gap;
}

/** @param {Space} space @param {number} columns */
function rowHeight({ count, height, gap }, columns) {
  const rows = Math.ceil(Math.max(count, 1) / columns);
  return (height - gap * (rows - 1)) / rows;
}

/** @param {Space} space @param {number} columns @returns {Division} */
function stacked(space, columns) {
  const card = Math.min(columnWidth(space, columns), (rowHeight(space, columns) - space.below) * space.aspect);
  return { columns, card, picture: card, beside: false };
}

/** @param {Space} space @param {number} columns @returns {Division[]} */
function divisions(space, columns) {
  const below = stacked(space, columns);
  return space.beside === null ? [below] : [below, sideBySide(space, space.beside, columns)];
}

/** @param {Space} space @param {NonNullable<Space["beside"]>} words @param {number} columns @returns {Division} */
function sideBySide(space, words, columns) {
  const row = rowHeight(space, columns);
  const width = columnWidth(space, columns);
  const picture = row < words.height ? 0 : Math.min(row * space.aspect, width - words.width);
  return { columns, card: Math.min(width, picture + words.widest), picture, beside: true };
}

/** @param {Space} space @returns {Division} */
function scrolling(space) {
  const comfortable = Math.floor((space.width + space.gap) / (space.comfortable + space.gap));
  let columns = Math.max(1, Math.min(space.count, comfortable));
  while (columns > 1 && columns * mostRows({ pitch: pitch(space, columns), height: space.screen }) > space.most) columns -= 1;
  const card = columnWidth(space, columns);
  return { columns, card, picture: card, beside: false };
}
