/** How many counts arrive a second, over the last few seconds. */

const WINDOW_SECONDS = 5;

export class Rate {
  /** @param {{ now(): number }} stopwatch */
  constructor(stopwatch) {
    this.#stopwatch = stopwatch;
    this.#since = stopwatch.now();
  }

  #stopwatch;
  #since;
  /** @type {[number, number][]} time and number of updates, oldest first */
  #batches = [];

  /** @param {number} updates */
  add(updates) {
    if (updates > 0) this.#batches.push([this.#stopwatch.now(), updates]);
    this.#forget();
  }

  /** After a connection was lost or found: what came before says nothing. */
  reset() {
    this.#since = this.#stopwatch.now();
    this.#batches = [];
  }

  /** @returns {number} */
  perSecond() {
    this.#forget();
    const measured = Math.min(WINDOW_SECONDS, Math.max(1, this.#stopwatch.now() - this.#since));
    return this.#batches.reduce((sum, [, updates]) => sum + updates, 0) / measured;
  }

  #forget() {
    const oldest = this.#stopwatch.now() - WINDOW_SECONDS;
    while (this.#batches.length > 0 && this.#batches[0][0] < oldest) this.#batches.shift();
  }
}
