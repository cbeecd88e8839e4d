import assert from "node:assert/strict";
import test from "node:test";

import { parseRoute } from "../../../services/engage/assets/js/route.js";
import { Subscription } from "../../../services/engage/assets/js/subscription.js";

const { query } = parseRoute("?q=lobby&state=live&label=floor:2&sort=-count");
const { query: every } = parseRoute("");

/** @returns {{ subscription: Subscription, sent: any[] }} connected */
function connected() {
  const subscription = new Subscription();
  /** @type {any[]} */
  const sent = [];
  subscription.opened((message) => sent.push(message));
  return { subscription, sent };
}

test("a page is asked for as the stream wants it", () => {
  const { subscription, sent } = connected();
  subscription.want({ query, offset: 24, limit: 12 });
  subscription.want({ query, offset: 24, limit: 12 });
  const filter = { q: "lobby", state: ["live"], labels: { floor: "2" } };
  assert.deepEqual(sent, [{ type: "subscribe", filter, sort: "-count", offset: 24, limit: 12 }]);
  assert.equal(subscription.page(query), null, "not answered yet");
  subscription.snapshot({ order: ["cam-1"], ids: ["cam-1"] });
  assert.equal(subscription.page(query)?.offset, 24);
  assert.equal(subscription.page(every), null, "of another query");
});

test("the next question waits for the answer to the last", () => {
  const { subscription, sent } = connected();
  for (const offset of [0, 12, 24]) subscription.want({ query: every, offset, limit: 12 });
  assert.deepEqual(sent.map(({ offset }) => offset), [0]);
  subscription.snapshot({ order: [], ids: [] });
  assert.deepEqual(sent.map(({ offset }) => offset), [0, 24], "only the newest wish counts");
});

test("a snapshot of everything that was on its way is no answer", () => {
  const { subscription } = connected();
  subscription.want({ query: every, offset: 0, limit: 12 });
  subscription.snapshot({ order: null, ids: ["cam-1", "cam-2"] });
  assert.equal(subscription.heard, false);
  subscription.snapshot({ order: ["cam-1"], ids: ["cam-1"] });
  assert.equal(subscription.heard, true);
  subscription.want({ devices: ["cam-1"] });
  subscription.snapshot({ order: null, ids: ["cam-1", "cam-2"] });
  assert.ok(subscription.page(every), "still the page");
  subscription.snapshot({ order: null, ids: ["cam-1"] });
  assert.equal(subscription.page(every), null);
});

test("a new connection is asked anew", () => {
  const { subscription, sent } = connected();
  subscription.want({ devices: ["cam-1"] });
  subscription.closed();
  subscription.want({ devices: ["cam-2"] });
  assert.equal(sent.length, 1, "nobody to ask");
  /** @type {any[]} */
  const again = [];
  subscription.opened((message) => again.push(message));
  assert.deepEqual(again, [{ type: "subscribe", devices: ["cam-2"] }]);
});
