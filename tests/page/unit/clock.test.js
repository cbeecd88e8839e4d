import assert from "node:assert/strict";
import test from "node:test";

import { retryDelay } from "../../../services/engage/assets/js/backoff.js";
import { ServerClock, Stopwatch } from "../../../services/engage/assets/js/clock.js";
import { Rate } from "../../../services/engage/assets/js/rate.js";

/** A stopwatch whose two clocks are set by the test, in seconds. */
function clocks() {
  const at = { monotonic: 0, wall: 1e6 };
  const stopwatch = new Stopwatch({ monotonic: () => at.monotonic * 1000, wall: () => at.wall * 1000 });
  return { at, stopwatch };
}

test("sleep counts, and a wall clock set back does not", () => {
  const { at, stopwatch } = clocks();
  at.wall += 3600;
  assert.equal(stopwatch.now(), 3600, "the machine slept: the monotonic clock stood still");
  at.wall -= 7200;
  at.monotonic += 5;
  assert.equal(stopwatch.now(), 3605);
});

test("a message that was delayed does not make anything look younger", () => {
  const { at, stopwatch } = clocks();
  const clock = new ServerClock(stopwatch);
  assert.equal(clock.now(), 0, "before the first message nothing is known");
  clock.anchor(5000);
  at.monotonic += 10;
  at.wall += 10;
  clock.anchor(5007);
  assert.ok(clock.now() > 5009.8, String(clock.now()));
});

test("the wait before the next attempt grows, has a limit, and is drawn by lot", () => {
  assert.equal(retryDelay(0, () => 0), 0.25);
  assert.ok(retryDelay(3, () => 0.99) > retryDelay(0, () => 0.99));
  assert.ok(retryDelay(100, () => 1) <= 8.25);
});

test("updates a second are those of the last few seconds", () => {
  const { at, stopwatch } = clocks();
  const rate = new Rate(stopwatch);
  for (let second = 0; second < 10; second += 1) {
    at.monotonic += 1;
    rate.add(4);
  }
  assert.ok(Math.abs(rate.perSecond() - 4) < 1, String(rate.perSecond()));
  at.monotonic += 60;
  assert.equal(rate.perSecond(), 0);
  rate.add(4);
  rate.reset();
  assert.equal(rate.perSecond(), 0);
});
