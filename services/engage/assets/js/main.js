/** Puts the parts together: stream → store → views. */

/** @import { Change, Connection, Context } from "./types.js" */

import { Announcer } from "./announcer.js";
import { ServerClock, Stopwatch } from "./clock.js";
import { byId, setVisible } from "./dom.js";
import { onNextFrame } from "./frame.js";
import { Header } from "./header.js";
import { Loader } from "./loader.js";
import { Store } from "./store.js";
import { Stream } from "./stream.js";
import { Wall } from "./wall.js";
import { CONNECTION_WORDS, spokenTotal } from "./wording.js";

const stopwatch = new Stopwatch();
const clock = new ServerClock(stopwatch);
const store = new Store();
const wall = new Wall(byId("wall"), new Loader(), stopwatch);
const header = new Header(() => stream.hurry());
const announcer = new Announcer(byId("say-total"), byId("say-connection"), stopwatch);

/** Changes that are not on the screen yet. @type {Change} */
let pending = { changed: new Set(), removed: new Set() };
/** @type {(() => void) | null} */
let acknowledge = null;
/** @type {Connection} what the cards show at present */
let shownConnection = "connecting";

const stream = new Stream(new URL("api/v1/stream", document.baseURI), stopwatch, {
  message(message, confirm) {
    const change = store.apply(message);
    if (change === "resync") return false;
    clock.anchor(store.serverTime);
    collect(change);
    // The next message comes once this one is on the screen: a slow page gets fewer, never a backlog.
    acknowledge = () => confirm(store.version);
    requestRender();
    return true;
  },
  change: () => requestRender(),
});

/** @param {Change} change */
function collect({ changed, removed }) {
  for (const id of removed) {
    pending.changed.delete(id);
    pending.removed.add(id);
  }
  for (const id of changed) {
    pending.removed.delete(id);
    pending.changed.add(id);
  }
}

/** @returns {Connection} */
function connection() {
  if (stream.live) return store.brokerConnected ? "live" : "broker-away";
  return store.summary === null ? "connecting" : "reconnecting";
}

/** @returns {Context} */
function context() {
  return { connection: connection(), now: clock.now() };
}

const requestRender = onNextFrame(() => {
  const present = context();
  const change = pending;
  pending = { changed: new Set(), removed: new Set() };
  wall.update(store.devices, change, present);
  if (present.connection !== shownConnection) {
    shownConnection = present.connection;
    wall.renderAll(present);
    announcer.connection(`Connection: ${CONNECTION_WORDS[shownConnection].word}`);
  }
  renderFrame(present);
  acknowledge?.();
  acknowledge = null;
});

/** Everything around the wall. @param {Context} present */
function renderFrame(present) {
  header.render({
    ...present,
    summary: store.summary,
    cameras: store.devices.size,
    asOf: store.serverTime,
    retryIn: stream.retryAt === null ? null : stream.retryAt - stopwatch.now(),
  });
  setVisible(byId("empty"), store.summary !== null && store.devices.size === 0);
  setVisible(byId("waiting"), store.summary === null);
}

function tick() {
  stream.check();
  const present = context();
  wall.tick(present);
  renderFrame(present);
  if (store.summary !== null && present.connection === "live") announcer.total(spokenTotal(store.summary));
}

function wake() {
  wall.setAwake(!document.hidden);
  if (document.hidden) return;
  tick();
  stream.hurry();
}

document.addEventListener("visibilitychange", wake);
window.addEventListener("pageshow", wake);
window.addEventListener("online", () => stream.hurry());
window.addEventListener("resize", () => wall.layout());
setInterval(tick, 1000);
stream.connect();
