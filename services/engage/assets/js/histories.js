/**
 * The recent counts and failures of the cameras that were looked at: what the server remembers, and what has come
 * since. Bounded in cameras, in points and in failures.
 */

/** @import { Device, Failure, Point } from "./types.js" */

import { number, readFailure, record } from "./device.js";
import { RequestError, requestJSON } from "./request.js";

const MOST_CAMERAS = 400;
/** Of the camera whose view is open. */
const MOST_POINTS = 4000;
/** Of any other: what a sparkline shows. A wall that is open for days would hold much otherwise. */
const MOST_POINTS_IN_LISTS = 600;
const SECONDS_IN_LISTS = 360;
const MOST_FAILURES = 20;
const REQUESTS_AT_ONCE = 2;

/** After a server that could not answer, it is asked again this much later. */
const AGAIN_SECONDS = 30;

/**
 * @typedef {object} Held
 * @property {Point[]} points  oldest first
 * @property {Failure[]} failures  newest first; another list whenever something changes
 * @property {number | null} since  the oldest that the server held; null: it has not said
 * @property {boolean} asked
 * @property {string} problem  why the server's part is missing; "" if it is not
 */

export class Histories {
  /** @param {{ now(): number }} stopwatch @param {() => void} changed */
  constructor(stopwatch, changed) {
    this.#stopwatch = stopwatch;
    this.#changed = changed;
  }

  #stopwatch;
  #changed;
  /** @type {Map<string, Held>} the one that was used last comes last */
  #held = new Map();
  /** @type {Set<string>} */
  #waiting = new Set();
  #running = 0;
  #notBefore = -Infinity;
  /** The camera whose view is open. @type {string | null} */
  #open = null;

  /** What is kept of a camera's points. @param {string} deviceID @param {Point[]} points oldest first @returns {Point[]} */
  #kept(deviceID, points) {
    if (deviceID === this.#open) return points.slice(-MOST_POINTS);
    const from = (points.at(-1)?.timestamp ?? 0) - SECONDS_IN_LISTS;
    const first = points.findIndex(({ timestamp }) => timestamp >= from);
    return points.slice(Math.max(first, points.length - MOST_POINTS_IN_LISTS));
  }

  /** @param {string} deviceID @returns {Held} */
  of(deviceID) {
    const held = this.#held.get(deviceID) ?? { points: [], failures: [], since: null, asked: false, problem: "" };
    this.#held.delete(deviceID);
    this.#held.set(deviceID, held);
    const [oldest] = this.#held.keys();
    if (this.#held.size > MOST_CAMERAS) this.#held.delete(oldest);
    return held;
  }

  /** Its view was opened: more of it is kept, until it is released. @param {string} deviceID @returns {Held} */
  open(deviceID) {
    this.#open = deviceID;
    const held = this.of(deviceID);
    // the server may remember more than was kept
    held.asked = false;
    return held;
  }

  /** What has come by the stream, of a camera that is looked at. @param {Device} device */
  record({ deviceID, count, analysedTimestamp, failure }) {
    if (!this.#held.has(deviceID)) return;
    const held = this.of(deviceID);
    if (failure !== null && !held.failures.some((known) => isSame(known, failure))) held.failures = mergeFailures([failure], held.failures);
    if (count === null || analysedTimestamp === null) return;
    const last = held.points.at(-1);
    if (last !== undefined && last.timestamp >= analysedTimestamp) return;
    held.points.push({ timestamp: analysedTimestamp, count });
    held.points = this.#kept(deviceID, held.points);
  }

  /** Asks for what the server remembers, once. @param {string} deviceID */
  want(deviceID) {
    if (this.of(deviceID).asked) return;
    this.#waiting.add(deviceID);
    this.#pump();
  }

  /** No longer looked at. @param {string} deviceID */
  release(deviceID) {
    this.#waiting.delete(deviceID);
    if (this.#open !== deviceID) return;
    this.#open = null;
    const held = this.of(deviceID);
    held.points = this.#kept(deviceID, held.points);
  }

  /** After the connection was lost: there is a gap, which the server can fill. */
  forget() {
    for (const held of this.#held.values()) held.asked = false;
    this.#notBefore = -Infinity;
  }

  clear() {
    this.#held.clear();
    this.#waiting.clear();
  }

  #pump() {
    const [next] = this.#waiting;
    if (next === undefined || this.#running >= REQUESTS_AT_ONCE || this.#stopwatch.now() < this.#notBefore) return;
    this.#waiting.delete(next);
    this.#running += 1;
    void this.#ask(next).finally(() => {
      this.#running -= 1;
      this.#changed();
      this.#pump();
    });
    this.#pump();
  }

  /** @param {string} deviceID */
  async #ask(deviceID) {
    const held = this.of(deviceID);
    held.asked = true;
    try {
      const answer = await requestJSON(`api/v1/devices/${encodeURIComponent(deviceID)}/history`);
      held.since = number(answer.since);
      held.points = this.#kept(deviceID, merge(readPoints(answer.points), held.points));
      held.failures = mergeFailures(readFailures(answer.failures), held.failures);
      held.problem = "";
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      held.problem = error.message;
      held.asked = false;
      this.#notBefore = this.#stopwatch.now() + AGAIN_SECONDS;
    }
  }
}

/** @param {unknown} value @returns {Point[]} */
function readPoints(value) {
  if (!Array.isArray(value)) return [];
  const points = value.map(record).map(({ timestamp, count }) => ({ timestamp: number(timestamp), count: number(count) }));
  return /** @type {Point[]} */ (points.filter((point) => point.timestamp !== null && point.count !== null));
}

/** Each moment once, oldest first. @param {Point[]} remembered @param {Point[]} seen @returns {Point[]} */
export function merge(remembered, seen) {
  const all = new Map([...remembered, ...seen].map((point) => [point.timestamp, point]));
  return [...all.values()].sort((a, b) => a.timestamp - b.timestamp);
}

/** @param {unknown} value @returns {Failure[]} */
function readFailures(value) {
  return Array.isArray(value) ? value.map(readFailure).filter((failure) => failure !== null) : [];
}

/** @param {Failure} one @param {Failure} other */
function isSame(one, other) {
  return one.frameID === other.frameID && one.failedTimestamp === other.failedTimestamp;
}

/** Each failure once, newest first. @param {Failure[]} remembered @param {Failure[]} seen @returns {Failure[]} */
export function mergeFailures(remembered, seen) {
  const more = seen.filter((failure) => !remembered.some((known) => isSame(known, failure)));
  const at = (/** @type {Failure} */ failure) => failure.failedTimestamp ?? -Infinity;
  return [...remembered, ...more].sort((a, b) => at(b) - at(a)).slice(0, MOST_FAILURES);
}
