import assert from "node:assert/strict";
import test from "node:test";

import { readDevice } from "../../../services/engage/assets/js/device.js";
import { rawDevice } from "./devices.js";

/** @param {Record<string, unknown>} fields */
function read(fields) {
  const device = readDevice(rawDevice(fields), 1000);
  assert.ok(device);
  return device;
}

test("ages become moments of the server's clock", () => {
  assert.equal(read({}).countedAt, 998);
  assert.equal(read({ ageSeconds: null }).countedAt, null, "a count of unknown age has no moment");
});

test("unknown is not zero", () => {
  assert.equal(read({ count: undefined }).count, null);
  assert.equal(read({ count: "3" }).count, null);
  assert.equal(read({ state: "unknown", count: 0 }).count, null);
  assert.equal(read({ state: "invented" }).state, "unknown");
  assert.equal(read({ count: 0 }).count, 0);
});

test("without an id there is no device", () => {
  for (const value of [null, 7, "cam", {}, { deviceID: "" }, { deviceID: 7 }]) assert.equal(readDevice(value, 1), null);
});

test("pictures come from here alone", () => {
  for (const image of ["https://elsewhere/x.jpg", "//elsewhere/x.jpg", "/\\elsewhere/x.jpg", "x.jpg", "javascript:1", 7]) {
    assert.equal(read({ image }).image, null, String(image));
  }
  assert.equal(read({ picture: "withheld" }).image, null, "withheld is withheld, whatever else is said");
});

test("what has another shape is left out, not the device", () => {
  const people = [{ box: [0, 0, 1], score: 1 }, { box: [0, 0, 1, "1"] }, null, { box: [0, 0, 0.5, 0.5] }];
  const device = read({ people, labels: "none", dropped: { full: 3, none: 0 }, failure: { reason: 7 }, width: -1 });
  assert.deepEqual(device.people, [{ box: [0, 0, 0.5, 0.5], score: 0 }]);
  assert.deepEqual(device.labels, []);
  assert.deepEqual(device.dropped, [["full", 3]]);
  assert.equal(device.failure?.reason, "unknown");
  assert.equal(device.width, null);
});
