import assert from "node:assert/strict";
import test from "node:test";

import { divide } from "../../../services/engage/assets/js/division.js";
import { pageOf, visible } from "../../../services/engage/assets/js/range.js";

const strip = { count: 10_000, columns: 3, pitch: 400, above: 0, height: 900 };

test("only what is on screen, and a row around it", () => {
  assert.deepEqual(visible(strip), { first: 0, end: 12, rows: 3334, firstRow: 0 });
  assert.deepEqual(visible({ ...strip, above: 40_000 }), { first: 297, end: 312, rows: 3334, firstRow: 99 });
  assert.deepEqual(visible({ ...strip, above: -200 }), { first: 0, end: 9, rows: 3334, firstRow: 0 });
});

test("no part of the list is ever outside of it", () => {
  for (const above of [-1e9, 1_333_200, 1e9]) {
    const { first, end } = visible({ ...strip, above });
    assert.ok(first >= 0 && first < end && end <= strip.count, `${above}: ${first} to ${end}`);
  }
  assert.deepEqual(visible({ ...strip, count: 0 }), { first: 0, end: 0, rows: 0, firstRow: 0 });
});

test("a page holds what is on screen, and a little scrolling changes nothing", () => {
  assert.deepEqual(pageOf({ first: 25, end: 40 }), { offset: 24, limit: 24 });
  assert.deepEqual(pageOf({ first: 28, end: 43 }), { offset: 24, limit: 24 });
  assert.deepEqual(pageOf({ first: 0, end: 0 }), { offset: 0, limit: 12 });
});

test("few cameras are all seen at once, many scroll in comfortable columns", () => {
  const space = { count: 6, width: 1232, height: 900, gap: 16, aspect: 4 / 3, below: 164, beside: null, smallest: 256, comfortable: 320, screen: 1000, most: 36 };
  const few = divide(space);
  const rows = Math.ceil(6 / few.columns);
  assert.ok(rows * (few.picture / space.aspect + space.below) + (rows - 1) * space.gap <= space.height + 1);
  const many = divide({ ...space, count: 10_000 });
  assert.equal(many.columns, 3);
  assert.ok(many.card >= space.comfortable);
});

test("on a large screen the cards grow rather than be too many", () => {
  const space = { count: 10_000, width: 3740, height: 2000, gap: 24, aspect: 4 / 3, below: 245, beside: null, smallest: 380, comfortable: 478, screen: 2160, most: 36 };
  const { columns, card } = divide(space);
  const pitch = card / space.aspect + space.below + space.gap;
  for (const above of [0, 1234, 50_000.5]) {
    const { first, end } = visible({ count: space.count, columns, pitch, above, height: space.screen });
    assert.ok(end - first <= space.most, `${end - first} cards in ${columns} columns`);
  }
  assert.equal(columns, 6);
  assert.equal(divide({ ...space, most: 1000 }).columns, 7, "as many as are comfortable");
  assert.equal(divide({ ...space, most: 1 }).columns, 1);
});
