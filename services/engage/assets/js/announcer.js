/** Tells a screen reader what changed, in its own time: a total that changes every second must not be read out so. */

import { setText } from "./dom.js";

const SHORTEST_INTERVAL_SECONDS = 20;

/** @typedef {{ total: Element, connection: Element, alert: Element }} Regions  live regions */

export class Announcer {
  /** @param {Regions} regions @param {{ now(): number }} stopwatch */
  constructor(regions, stopwatch) {
    this.#regions = regions;
    this.#stopwatch = stopwatch;
  }

  #regions;
  #stopwatch;
  #last = -Infinity;

  /** To be called every second. @param {string} sentence */
  total(sentence) {
    const now = this.#stopwatch.now();
    if (now - this.#last < SHORTEST_INTERVAL_SECONDS || this.#regions.total.textContent === sentence) return;
    this.#last = now;
    setText(this.#regions.total, sentence);
  }

  /** @param {string} sentence */
  connection(sentence) {
    setText(this.#regions.connection, sentence);
  }

  /** @param {string} sentence */
  alert(sentence) {
    setText(this.#regions.alert, sentence);
  }
}
