import assert from "node:assert/strict";
import test from "node:test";

import { readDevice } from "../../../services/engage/assets/js/device.js";
import { age, clockTime, duration, figure, percent } from "../../../services/engage/assets/js/format.js";
import { countAge, countCaption, leftOut, notes, shownState, spokenTotal, total } from "../../../services/engage/assets/js/wording.js";
import { rawDevice } from "./devices.js";

/** @param {Record<string, unknown>} [fields] */
function device(fields) {
  const read = readDevice(rawDevice(fields), 1000);
  assert.ok(read);
  return read;
}

const nobody = { people: 0, live: 0, stale: 0, offline: 0, failing: 0, unknown: 0 };

test("live is only what is heard of now", () => {
  assert.equal(shownState(device(), "live"), "live");
  assert.equal(shownState(device(), "reconnecting"), "disconnected");
  assert.equal(shownState(device(), "broker-away"), "disconnected");
  assert.equal(shownState(device(), "paused"), "paused");
  assert.equal(shownState(device({ state: "offline" }), "paused"), "offline");
  assert.equal(countCaption(device(), "live"), "people");
  assert.equal(countCaption(device(), "disconnected"), "last count");
});

test("no live camera is not zero people", () => {
  assert.equal(total(nobody), null);
  assert.equal(total({ ...nobody, live: 1 }), 0);
  assert.equal(spokenTotal({ ...nobody, stale: 2 }), "No live camera; left out: 2 stale");
  assert.equal(spokenTotal({ ...nobody, people: 1, live: 3, failing: 1 }), "1 person in 3 live cameras; left out: 1 failing");
  assert.deepEqual(leftOut({ ...nobody, live: 4, unknown: 1 }), [{ state: "unknown", count: 1 }]);
});

test("why a camera is not live is said in a sentence", () => {
  const context = { connection: /** @type {const} */ ("live"), now: 1010 };
  const [stale] = notes(device({ state: "stale" }), "stale", context);
  assert.equal(stale.text, "No result for 12 s, though one is due every 2 s");
  const failure = { reason: "undecodable", message: "it ends early", failedTimestamp: 1005 };
  const [failing] = notes(device({ state: "failing", failure }), "failing", context);
  assert.equal(failing.text, "Analysis failed (undecodable), 5 s ago: it ends early");
  const warned = notes(device({ clockOffsetSeconds: -90, problem: "camera is busy" }), "live", context);
  assert.deepEqual(warned.map(({ kind }) => kind), ["warning", "warning"]);
});

test("a scene is called still only when somebody has looked", () => {
  const hour = { connection: /** @type {const} */ ("live"), now: 4600 };
  const said = (/** @type {Record<string, unknown>} */ fields) => notes(device(fields), "live", hour).map(({ text }) => text);
  assert.deepEqual(said({}), [], "an old count alone says nothing");
  assert.deepEqual(said({ unchanged: 4599 }), ["The scene is still: nothing has changed since this count"]);
  assert.deepEqual(notes(device({ unchanged: 4599 }), "disconnected", hour), []);
});

test("ages are never too small, and never invented", () => {
  const context = { connection: /** @type {const} */ ("live"), now: 1000 };
  assert.equal(countAge(device(), context), "2 s ago");
  assert.equal(countAge(device({ ageSeconds: null }), context), "age not known");
  assert.equal(countAge(device({ count: null }), context), "");
  assert.match(countAge(device(), { ...context, connection: "paused" }), /^at \d\d:16:38$/, "stays true while time goes on");
  assert.equal(age(0.4), "just now");
});

test("numbers are written for people", () => {
  assert.deepEqual([59, 61, 3600, 90_000].map(duration), ["59 s", "1 min 1 s", "1 h", "1 d 1 h"]);
  assert.deepEqual([0.04, 9.96, 61.5, 12_345.6].map(figure), ["0", "10", "62", "12,346"]);
  assert.equal(percent(0.876), "88\u00a0%");
  assert.equal(clockTime(1e20, 0), "at an impossible time");
});
