/**
 * The WebSocket to engage: connects, notices silence, comes back. What the messages mean is the store's business.
 */

import { retryDelay } from "./backoff.js";

/** The server sends at least every 5 s. */
const SILENCE_SECONDS = 12;

/** A connection that lasted this long was a good one: the next attempt is the first again. */
const STABLE_SECONDS = 10;

/**
 * @typedef {object} Handlers
 * @property {(message: unknown, acknowledge: (version: number) => void) => boolean} message
 *   false: it does not continue what came before, connect anew
 * @property {(send: (message: object) => void) => void} opened
 * @property {(wasOpen: boolean) => void} closed  false: the server did not let us in, or was not there
 * @property {() => void} change  `live`, `since` or `retryAt` changed
 */

export class Stream {
  /**
   * @param {string | URL} url
   * @param {{ now(): number }} stopwatch
   * @param {Handlers} handlers
   */
  constructor(url, stopwatch, handlers) {
    this.#url = url;
    this.#stopwatch = stopwatch;
    this.#handlers = handlers;
    /** Whether a message of the present connection was taken and none is overdue. */
    this.live = false;
    /** Stopwatch time since which `live` is what it is. */
    this.since = stopwatch.now();
    /** @type {number | null} stopwatch time of the next attempt; null while connected or connecting */
    this.retryAt = null;
  }

  #url;
  #stopwatch;
  #handlers;
  /** @type {WebSocket | null} */
  #socket = null;
  #heard = 0;
  #attempt = 0;
  #open = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  connect() {
    this.#drop();
    this.#heard = this.#stopwatch.now();
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    // A socket that was given up may still speak: only the present one is listened to.
    socket.onopen = () => this.#socket === socket && this.#opened(socket);
    socket.onmessage = ({ data }) => this.#socket === socket && this.#receive(socket, data);
    socket.onclose = () => this.#socket === socket && this.#lost();
    this.#handlers.change();
  }

  /** To be called every second, and when the page comes back to the foreground. */
  check() {
    const now = this.#stopwatch.now();
    if (this.#socket !== null && now - this.#heard > SILENCE_SECONDS) this.#lost();
    // Timers of background pages and of sleeping machines are late.
    else if (this.retryAt !== null && now >= this.retryAt) this.connect();
  }

  /** Does not wait for the next attempt. */
  hurry() {
    if (this.retryAt !== null) this.connect();
  }

  /** Ends the connection and does not come back by itself. */
  stop() {
    this.#drop();
    if (this.live) this.#set(false);
    else this.#handlers.change();
  }

  /** @param {WebSocket} socket */
  #opened(socket) {
    this.#open = true;
    this.#handlers.opened((message) => send(socket, message));
  }

  /** @param {WebSocket} socket @param {unknown} data */
  #receive(socket, data) {
    this.#heard = this.#stopwatch.now();
    const acknowledge = (/** @type {number} */ version) => send(socket, { type: "ack", version });
    if (!this.#handlers.message(parse(data), acknowledge)) {
      this.#lost();
      return;
    }
    if (!this.live) this.#set(true);
  }

  #lost() {
    const now = this.#stopwatch.now();
    if (this.live && now - this.since > STABLE_SECONDS) this.#attempt = 0;
    this.#drop();
    const delay = retryDelay(this.#attempt);
    this.#attempt += 1;
    this.retryAt = now + delay;
    this.#timer = setTimeout(() => this.connect(), delay * 1000);
    if (this.live) this.#set(false);
    else this.#handlers.change();
  }

  #drop() {
    clearTimeout(this.#timer);
    this.retryAt = null;
    const socket = this.#socket;
    if (socket === null) return;
    this.#socket = null;
    // Closing a connection that is already dead can take minutes: nothing waits for it.
    socket.close();
    const wasOpen = this.#open;
    this.#open = false;
    this.#handlers.closed(wasOpen);
  }

  /** @param {boolean} live */
  #set(live) {
    this.live = live;
    this.since = this.#stopwatch.now();
    this.#handlers.change();
  }
}

/** @param {WebSocket} socket @param {object} message */
function send(socket, message) {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

/** @param {unknown} data @returns {unknown} undefined when it is not JSON */
function parse(data) {
  try {
    return JSON.parse(String(data));
  } catch {
    return undefined;
  }
}
