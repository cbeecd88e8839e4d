/** What the page knows and how it keeps up: the stream, the store it feeds, pause, subscription, what is derived. */

/** @import { Change, Connection, Context, Wish } from "./types.js" */

import { ServerClock, Stopwatch } from "./clock.js";
import { Histories } from "./histories.js";
import { Listing } from "./listing.js";
import { Rate } from "./rate.js";
import { Store } from "./store.js";
import { Stream } from "./stream.js";
import { Subscription } from "./subscription.js";

/**
 * @typedef {object} Handlers
 * @property {() => void} changed  something is to be shown
 * @property {() => void} refused  the server did not open the stream
 */

export class Model {
  /** @param {URL} url of the stream @param {Handlers} handlers */
  constructor(url, { changed, refused }) {
    this.#changed = changed;
    this.histories = new Histories(this.stopwatch, changed);
    this.stream = new Stream(url, this.stopwatch, {
      message: (message, confirm) => this.#take(message, confirm),
      opened: (send) => this.#subscription.opened(send),
      closed: (wasOpen) => {
        this.#subscription.closed();
        if (!wasOpen) refused();
      },
      change: () => this.#streamChanged(),
    });
  }

  stopwatch = new Stopwatch();
  store = new Store();
  rate = new Rate(this.stopwatch);
  histories;
  stream;
  #changed;
  #clock = new ServerClock(this.stopwatch);
  #subscription = new Subscription();
  listing = new Listing(this.store, this.#subscription);
  /** Changes that are not on the screen yet. @type {Change} */
  #pending = { changed: new Set(), removed: new Set() };
  #answered = false;
  /** @type {(() => void) | null} */
  #confirm = null;
  /** The server's time when the page was paused; null while it is not. @type {number | null} */
  #pausedAt = null;
  #wasLive = false;

  start() {
    if (this.#pausedAt === null) this.stream.connect();
  }

  /** @returns {Connection} */
  connection() {
    if (this.#pausedAt !== null) return "paused";
    // until the server has answered what is looked at, what is on screen is of the connection before
    if (this.stream.live && this.#subscription.heard) return this.store.brokerConnected ? "live" : "broker-away";
    return this.store.summary === null ? "connecting" : "reconnecting";
  }

  /** While paused the time stands still too: nothing moves, and nothing claims to be of now. @returns {Context} */
  context() {
    return { connection: this.connection(), now: this.#pausedAt ?? this.#clock.now() };
  }

  /** @returns {number | null} seconds to the next attempt to connect; null while none is due */
  retryIn() {
    return this.stream.retryAt === null ? null : this.stream.retryAt - this.stopwatch.now();
  }

  /** Pausing lets go of the stream; going on starts with everything anew. */
  togglePause() {
    if (this.#pausedAt === null) {
      this.#pausedAt = this.#clock.now();
      this.stream.stop();
    } else {
      this.#pausedAt = null;
      this.stream.connect();
    }
    this.#changed();
  }

  /** @param {Wish} wish */
  want(wish) {
    this.#subscription.want(wish);
  }

  /** Forgets everything and ends the stream. */
  clear() {
    this.#pausedAt = null;
    this.stream.stop();
    this.histories.clear();
    this.#collect(this.store.clear());
    this.#changed();
  }

  /** @returns {Change} what changed since the last call */
  takeChange() {
    const change = this.#pending;
    this.#pending = { changed: new Set(), removed: new Set() };
    return change;
  }

  /** Whether a snapshot has come since the last call, even one that changed no device. */
  takeAnswered() {
    const answered = this.#answered;
    this.#answered = false;
    return answered;
  }

  /** @returns {Change} for a view that has seen nothing yet */
  everything() {
    return { changed: new Set(this.store.devices.keys()), removed: new Set() };
  }

  /** The next message comes once this one is on the screen: a slow page gets fewer, never a backlog. */
  acknowledge() {
    this.#confirm?.();
    this.#confirm = null;
  }

  /** @param {any} message @param {(version: number) => void} confirm @returns {boolean} */
  #take(message, confirm) {
    const change = this.store.apply(message);
    if (change === "resync") return false;
    this.#clock.anchor(this.store.serverTime);
    if (message.type === "snapshot") {
      this.#answered = true;
      this.#subscription.snapshot({ order: this.store.order, ids: this.store.devices.keys() });
    } else {
      this.rate.add(change.changed.size);
    }
    for (const id of change.changed) {
      const device = this.store.devices.get(id);
      if (device !== undefined) this.histories.record(device);
    }
    this.#answered ||= message.order !== undefined;
    this.#collect(change);
    this.#confirm = () => confirm(this.store.version);
    this.#changed();
    return true;
  }

  #streamChanged() {
    const { live } = this.stream;
    if (live !== this.#wasLive) {
      this.#wasLive = live;
      this.rate.reset();
      if (live) this.histories.forget();
    }
    this.#changed();
  }

  /** @param {Change} change */
  #collect({ changed, removed }) {
    for (const id of removed) {
      this.#pending.changed.delete(id);
      this.#pending.removed.add(id);
    }
    for (const id of changed) {
      this.#pending.removed.delete(id);
      this.#pending.changed.add(id);
    }
  }
}
