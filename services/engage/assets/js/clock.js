/**
 * The server's clock as seen from here. Ages must never come out too small, so every doubt is resolved towards
 * the later time.
 */

/** A message that seems older than this was not delayed (the stream would have been given up): our clock jumped. */
const JUMP_SECONDS = 15;

/** How fast an estimate that is ahead may fall back, in seconds per second: outruns any drift of the two clocks. */
const SLEW = 0.01;

/**
 * Seconds since some moment; never runs backwards. The monotonic clock stands still while some machines sleep
 * and the wall clock can be set: the one that advanced more counts.
 */
export class Stopwatch {
  /** @param {{ monotonic?: () => number, wall?: () => number }} [clocks] in milliseconds */
  constructor({ monotonic = () => performance.now(), wall = () => Date.now() } = {}) {
    this.#monotonic = monotonic;
    this.#wall = wall;
    this.#last = [monotonic(), wall()];
  }

  #monotonic;
  #wall;
  #last;
  #seconds = 0;

  /** @returns {number} */
  now() {
    const next = [this.#monotonic(), this.#wall()];
    this.#seconds += Math.max(next[0] - this.#last[0], next[1] - this.#last[1], 0) / 1000;
    this.#last = next;
    return this.#seconds;
  }
}

export class ServerClock {
  /** @param {Stopwatch} stopwatch */
  constructor(stopwatch) {
    this.#stopwatch = stopwatch;
  }

  #stopwatch;
  /** @type {number | null} server time minus stopwatch */
  #offset = null;
  #anchored = 0;

  /** @param {number} serverTime of a message that has just arrived */
  anchor(serverTime) {
    const local = this.#stopwatch.now();
    const sample = serverTime - local;
    const kept = this.#offset === null ? -Infinity : this.#offset - SLEW * (local - this.#anchored);
    // A delayed message gives too small a sample, hence the larger of the two.
    this.#offset = kept - sample > JUMP_SECONDS ? sample : Math.max(kept, sample);
    this.#anchored = local;
  }

  /** @returns {number} Unix seconds on the server; 0 before the first message */
  now() {
    const local = this.#stopwatch.now();
    return this.#offset === null ? 0 : this.#offset + local;
  }
}
