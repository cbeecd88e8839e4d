/**
 * Tells the server what is looked at. One question at a time: the next is asked once the snapshot that answers
 * the last has come, so that a page always knows which question a snapshot belongs to.
 */

/** @import { Query, Wish } from "./types.js" */

export class Subscription {
  /** @type {Wish | null} */
  #wanted = null;
  /** @type {Wish | null} sent, and not answered */
  #asked = null;
  /** @type {Wish | null} */
  #answered = null;
  /** @type {((message: object) => void) | null} null without a connection */
  #send = null;

  /** @param {Wish} wish */
  want(wish) {
    this.#wanted = wish;
    this.#ask();
  }

  /** A new connection. @param {(message: object) => void} send */
  opened(send) {
    this.#send = send;
    this.#asked = null;
    this.#answered = null;
    this.#ask();
  }

  closed() {
    this.#send = null;
    this.#asked = null;
  }

  /**
   * A snapshot has come. The first of a connection can be one of everything, sent before the question was heard.
   * @param {{ order: string[] | null, ids: Iterable<string> }} content
   */
  snapshot({ order, ids }) {
    if (this.#asked === null || !answers(this.#asked, order, ids)) return;
    this.#answered = this.#asked;
    this.#asked = null;
    this.#ask();
  }

  /** Whether the server has answered any question on this connection. */
  get heard() {
    return this.#answered !== null;
  }

  /** The page of `query` that the store holds; null: it holds something else. @param {Query} query */
  page(query) {
    const held = this.#answered;
    return held !== null && "query" in held && same(held.query, query) ? held : null;
  }

  #ask() {
    if (this.#send === null || this.#wanted === null || this.#asked !== null || same(this.#wanted, this.#answered)) return;
    this.#asked = this.#wanted;
    this.#send(message(this.#wanted));
  }
}

/** @param {Wish} wish @param {string[] | null} order @param {Iterable<string>} ids */
function answers(wish, order, ids) {
  if ("query" in wish) return order !== null;
  return order === null && [...ids].every((id) => wish.devices.includes(id));
}

/** @param {Wish} wish @returns {object} as docs/wire.md has it */
function message(wish) {
  if ("devices" in wish) return { type: "subscribe", devices: wish.devices };
  const { query, offset, limit } = wish;
  /** @type {Record<string, unknown>} */
  const filter = {};
  if (query.q.trim() !== "") filter.q = query.q.trim();
  if (query.states.length > 0) filter.state = query.states;
  if (query.labels.length > 0) filter.labels = Object.fromEntries(query.labels);
  return { type: "subscribe", filter, sort: query.sort, offset, limit };
}

/** @param {unknown} a @param {unknown} b */
function same(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}
