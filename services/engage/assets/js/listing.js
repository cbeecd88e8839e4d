/**
 * Which cameras there are to show, in which order. With a subscription the server says so, a page at a time;
 * otherwise everything is here and is arranged here.
 */

/** @import { Change, Query } from "./types.js" */
/** @import { Store } from "./store.js" */
/** @import { Subscription } from "./subscription.js" */

import { arrange } from "./arrange.js";

export class Listing {
  /** @param {Store} store @param {Subscription} subscription */
  constructor(store, subscription) {
    this.#store = store;
    this.#subscription = subscription;
  }

  #store;
  #subscription;
  #query = "";
  /** @type {string[] | null} */
  #arranged = null;

  /** To be called with every change. @param {Change} change */
  changed({ changed, removed }) {
    if (changed.size > 0 || removed.size > 0) this.#arranged = null;
  }

  /** How many there are for `query`; null while that is not known. @param {Query} query @returns {number | null} */
  total(query) {
    if (this.#store.summary === null) return null;
    if (this.#isEverything()) return this.#all(query).length;
    return this.#subscription.page(query) === null ? null : this.#store.total;
  }

  /** @param {Query} query @param {number} index @returns {string | undefined} undefined: not known yet */
  at(query, index) {
    if (this.#isEverything()) return this.#all(query)[index];
    const page = this.#subscription.page(query);
    return page === null ? undefined : this.#store.order?.[index - page.offset];
  }

  /** A server that takes no subscriptions says no total. */
  #isEverything() {
    return !this.#subscription.heard && this.#store.total === null;
  }

  /** @param {Query} query */
  #all(query) {
    const wanted = JSON.stringify(query);
    if (this.#arranged === null || this.#query !== wanted) {
      this.#arranged = arrange(this.#store.devices.values(), query);
      this.#query = wanted;
    }
    return this.#arranged;
  }
}
