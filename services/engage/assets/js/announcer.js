/** Tells a screen reader what changed, in its own time: a total that changes every second must not be read out so. */

import { setText } from "./dom.js";

const SHORTEST_INTERVAL_SECONDS = 20;

export class Announcer {
  /** @param {Element} total @param {Element} connection both live regions @param {{ now(): number }} stopwatch */
  constructor(total, connection, stopwatch) {
    this.#total = total;
    this.#connection = connection;
    this.#stopwatch = stopwatch;
  }

  #total;
  #connection;
  #stopwatch;
  #last = -Infinity;

  /** To be called every second. @param {string} sentence */
  total(sentence) {
    const now = this.#stopwatch.now();
    if (now - this.#last < SHORTEST_INTERVAL_SECONDS || this.#total.textContent === sentence) return;
    this.#last = now;
    setText(this.#total, sentence);
  }

  /** @param {string} sentence */
  connection(sentence) {
    setText(this.#connection, sentence);
  }
}
