import assert from "node:assert/strict";
import test from "node:test";

import { formatRoute, parseRoute, toggleState, withLabel, withoutLabel } from "../../../services/engage/assets/js/route.js";

test("a plain address is the wall, and stays plain", () => {
  const route = parseRoute("");
  assert.equal(route.view, "wall");
  assert.equal(formatRoute(route), "");
});

test("an address that was written is read again as the same", () => {
  for (const search of [
    "?view=table",
    "?view=nodes",
    "?device=cam-1",
    "?view=table&device=cam-1&q=lobby",
    "?q=lobby&state=live%2Cstale&label=floor%3A2&label=name%3AMain+gate&sort=-count&density=compact",
    "?kiosk",
    "?kiosk=20&state=live",
  ]) {
    assert.equal(formatRoute(parseRoute(search)), search);
  }
});

test("what an address cannot mean is left out", () => {
  const route = parseRoute("?view=moon&device=a%2Fb&state=live,dead&sort=luck&label=floor&label=:2&density=huge&kiosk=-1");
  assert.equal(route.view, "kiosk");
  assert.deepEqual([route.device, route.density, route.seconds], [null, "normal", 8]);
  assert.deepEqual(route.query, { q: "", states: ["live"], labels: [], sort: "deviceID" });
  assert.equal(parseRoute("?kiosk=0.01").seconds, 2);
});

test("nothing is asked for that is longer than the server takes", () => {
  assert.equal(parseRoute(`?q=${"x".repeat(5000)}`).query.q.length, 128);
  assert.equal(parseRoute(`?q=${"ü".repeat(100)}`).query.q.length, 64);
  assert.deepEqual(parseRoute(`?label=floor:${"x".repeat(129)}`).query.labels, []);
  const labels = Array.from({ length: 20 }, (_, index) => `label=key${index}:1`);
  assert.equal(parseRoute(`?${labels.join("&")}`).query.labels.length, 8);
});

test("filters are added and taken away", () => {
  const { query } = parseRoute("");
  const stale = toggleState(toggleState(query, "unknown"), "stale");
  assert.deepEqual(stale.states, ["stale", "unknown"]);
  assert.deepEqual(toggleState(stale, "stale").states, ["unknown"]);
  const labelled = withLabel(withLabel(query, ["floor", "1"]), ["floor", "2"]);
  assert.deepEqual(labelled.labels, [["floor", "2"]], "a key has one value");
  assert.deepEqual(withoutLabel(labelled, ["floor", "2"]).labels, []);
});
