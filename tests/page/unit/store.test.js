import assert from "node:assert/strict";
import test from "node:test";

import { Store } from "../../../services/engage/assets/js/store.js";
import { delta, rawDevice, snapshot } from "./devices.js";

test("a snapshot replaces everything", () => {
  const store = new Store();
  store.apply(snapshot({ devices: [rawDevice(), rawDevice({ deviceID: "cam-2" })] }));
  const change = store.apply(snapshot({ version: 12, devices: [rawDevice({ deviceID: "cam-2", count: 5 })] }));
  assert.deepEqual(change, { changed: new Set(["cam-2"]), removed: new Set(["cam-1"]) });
  assert.equal(store.devices.get("cam-2")?.count, 5);
  assert.equal(store.devices.size, 1);
});

test("a delta changes what it names", () => {
  const store = new Store();
  store.apply(snapshot({ devices: [rawDevice(), rawDevice({ deviceID: "cam-2" })] }));
  const change = store.apply(delta({ devices: [rawDevice({ count: 4 })], removed: ["cam-2", "never-there"] }));
  assert.deepEqual(change, { changed: new Set(["cam-1"]), removed: new Set(["cam-2"]) });
  assert.equal(store.version, 11);
});

test("what does not continue is not taken", () => {
  const store = new Store();
  assert.equal(store.apply(delta()), "resync", "a delta to nothing");
  store.apply(snapshot());
  for (const message of [
    delta({ epoch: "another" }),
    delta({ since: 11, version: 12 }),
    delta({ version: 9 }),
    delta({ devices: null }),
    { type: "news" },
    null,
    undefined,
  ]) {
    assert.equal(store.apply(message), "resync", JSON.stringify(message));
  }
  assert.equal(store.version, 10);
  assert.notEqual(store.apply(delta({ since: 8 })), "resync", "more than needed is no gap");
});

test("a page says its order and total, until a delta says others", () => {
  const store = new Store();
  store.apply(snapshot({ total: 40, order: ["cam-1"] }));
  assert.deepEqual([store.total, store.order], [40, ["cam-1"]]);
  store.apply(delta());
  assert.deepEqual([store.total, store.order], [40, ["cam-1"]], "not said again is not changed");
  store.apply(delta({ since: 11, version: 12, total: 39, order: ["cam-2", 7, "cam-1"] }));
  assert.deepEqual([store.total, store.order], [39, ["cam-2", "cam-1"]]);
  store.apply(snapshot());
  assert.deepEqual([store.total, store.order], [null, null]);
});

test("alerts stay until others are said, worst first", () => {
  const store = new Store();
  const alert = { rule: "r", target: "t", state: "active", severity: "info", message: "m" };
  store.apply(snapshot({ alerts: [alert, { ...alert, rule: "s", severity: "critical" }, { target: "no rule" }] }));
  assert.deepEqual(store.alerts.map(({ rule }) => rule), ["s", "r"]);
  store.apply(delta());
  assert.equal(store.alerts.length, 2);
  store.apply(delta({ since: 11, version: 12, alerts: [] }));
  assert.equal(store.alerts.length, 0);
});

test("forgotten is everything", () => {
  const store = new Store();
  store.apply(snapshot({ alerts: [{ rule: "r", target: "t" }] }));
  assert.deepEqual(store.clear().removed, new Set(["cam-1"]));
  assert.deepEqual([store.summary, store.devices.size, store.alerts.length], [null, 0, 0]);
  assert.equal(store.apply(delta()), "resync");
});
