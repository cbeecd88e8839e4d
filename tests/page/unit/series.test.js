import assert from "node:assert/strict";
import test from "node:test";

import { readDevice } from "../../../services/engage/assets/js/device.js";
import { Histories, merge, mergeFailures } from "../../../services/engage/assets/js/histories.js";
import { area, ceiling, line, place, since, thin, unbroken } from "../../../services/engage/assets/js/series.js";
import { rawDevice } from "./devices.js";

/** @param {...[number, number]} pairs */
const points = (...pairs) => pairs.map(([timestamp, count]) => ({ timestamp, count }));

test("where nothing is known there is no line", () => {
  const parts = unbroken(points([0, 1], [10, 2], [100, 3], [105, 3]), 60);
  assert.deepEqual(parts.map((part) => part.length), [2, 2]);
  const frame = { from: 0, to: 105, top: 4, width: 105, height: 40 };
  assert.equal(line(frame, parts), "M0 30L10 20M100 10L105 10");
  assert.equal(area(frame, parts), "M0 40L0 30L10 20L10 40zM100 40L100 10L105 10L105 40z");
});

test("a count is placed by its time and number", () => {
  const frame = { from: 100, to: 200, top: 10, width: 1000, height: 50 };
  assert.deepEqual(place(frame, { timestamp: 150, count: 10 }), [500, 0]);
  assert.deepEqual(place(frame, { timestamp: 200, count: 0 }), [1000, 50]);
});

test("the line reaches the edge", () => {
  const all = points([0, 1], [10, 2], [20, 3]);
  assert.deepEqual(since(all, 15), points([10, 2], [20, 3]));
  assert.deepEqual(since(all, 25), []);
  assert.deepEqual(since(all, -5), all);
});

test("thinned out, the extremes stay", () => {
  const many = Array.from({ length: 5000 }, (_, index) => ({ timestamp: index, count: index === 2500 ? 99 : 5 }));
  const few = thin(many, 200);
  assert.ok(few.length <= 200, String(few.length));
  assert.ok(few.some(({ count }) => count === 99));
  assert.deepEqual(few, [...few].sort((a, b) => a.timestamp - b.timestamp));
});

test("the scale has whole numbers and room for the highest", () => {
  for (const [highest, top] of [[0, 4], [4, 4], [5, 8], [13, 16], [38, 40], [41, 44], [130, 160], [99_000, 100_000]]) {
    assert.equal(ceiling(points([0, highest])), top, String(highest));
  }
});

test("each moment counts once, in order", () => {
  assert.deepEqual(merge(points([1, 1], [3, 3]), points([3, 3], [2, 2])), points([1, 1], [2, 2], [3, 3]));
});

test("failures are listed once, newest first, and not without end", () => {
  const failure = (/** @type {number} */ at) => ({ reason: "missing", message: "", failedTimestamp: at, frameID: `f-${at}` });
  const seen = mergeFailures([failure(1), failure(3)], [failure(3), failure(2)]);
  assert.deepEqual(seen.map(({ failedTimestamp }) => failedTimestamp), [3, 2, 1]);
  const many = Array.from({ length: 50 }, (_, at) => failure(at));
  assert.deepEqual(mergeFailures(many, seen).map(({ failedTimestamp }) => failedTimestamp).slice(0, 2), [49, 48]);
  assert.equal(mergeFailures(many, seen).length, 20);
});

test("a wall that is open for days holds the last minutes of each camera, an open view more", () => {
  const histories = new Histories({ now: () => 0 }, () => {});
  const count = (/** @type {string} */ deviceID, /** @type {number} */ at) => {
    const device = readDevice({ ...rawDevice(), deviceID, analysedTimestamp: at }, at);
    assert.ok(device);
    histories.record(device);
  };
  const listed = histories.of("listed");
  const open = histories.open("open");
  for (let at = 1; at <= 5000; at += 1) for (const id of ["listed", "open", "nobody-looks"]) count(id, at);
  assert.deepEqual([listed.points[0].timestamp, listed.points.at(-1)?.timestamp], [4640, 5000]);
  assert.equal(open.points.length, 4000);
  histories.release("open");
  assert.equal(histories.of("open").points.length, 361);
  for (let at = 5000; at <= 5300; at += 0.25) count("listed", at);
  assert.equal(listed.points.length, 600, "one that is counted very often");
});
