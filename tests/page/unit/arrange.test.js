import assert from "node:assert/strict";
import test from "node:test";

import { arrange } from "../../../services/engage/assets/js/arrange.js";
import { readDevice } from "../../../services/engage/assets/js/device.js";
import { parseRoute } from "../../../services/engage/assets/js/route.js";
import { rawDevice } from "./devices.js";

const devices = [
  { deviceID: "cam-10", count: 4, ageSeconds: 1, labels: { floor: "1", name: "Lobby" } },
  { deviceID: "cam-2", count: 9, ageSeconds: 30, labels: { floor: "2" } },
  { deviceID: "yard", state: "unknown", count: null, ageSeconds: null, labels: {} },
  { deviceID: "gate", state: "failing", count: 1, ageSeconds: 5, labels: { floor: "1" } },
].map((fields) => {
  const device = readDevice(rawDevice(fields), 1000);
  assert.ok(device);
  return device;
});

/** @param {string} search */
const ids = (search) => arrange(devices, parseRoute(search).query);

test("names are sorted as people count", () => {
  assert.deepEqual(ids(""), ["cam-2", "cam-10", "gate", "yard"]);
  assert.deepEqual(ids("?sort=-deviceID"), ["yard", "gate", "cam-10", "cam-2"]);
});

test("what is not known comes last in either direction", () => {
  assert.deepEqual(ids("?sort=-count"), ["cam-2", "cam-10", "gate", "yard"]);
  assert.deepEqual(ids("?sort=count"), ["gate", "cam-10", "cam-2", "yard"]);
  assert.deepEqual(ids("?sort=-age"), ["cam-2", "gate", "cam-10", "yard"]);
});

test("what is not live can come first", () => {
  assert.deepEqual(ids("?sort=-state"), ["yard", "gate", "cam-2", "cam-10"]);
});

test("text, state and labels all have to fit", () => {
  assert.deepEqual(ids("?q=LOBBY"), ["cam-10"]);
  assert.deepEqual(ids("?q=cam&state=live&label=floor:2"), ["cam-2"]);
  assert.deepEqual(ids("?label=floor:1"), ["cam-10", "gate"]);
  assert.deepEqual(ids("?label=floor:1&state=unknown"), []);
});
