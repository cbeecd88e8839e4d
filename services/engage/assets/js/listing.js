/** Which cameras there are to show, in which order: what the server says of the page that is subscribed. */

/** @import { Query } from "./types.js" */
/** @import { Store } from "./store.js" */
/** @import { Subscription } from "./subscription.js" */

export class Listing {
  /** @param {Store} store @param {Subscription} subscription */
  constructor(store, subscription) {
    this.#store = store;
    this.#subscription = subscription;
  }

  #store;
  #subscription;

  /** How many there are for `query`; null while that is not known. @param {Query} query @returns {number | null} */
  total(query) {
    return this.#subscription.page(query) === null ? null : this.#store.total;
  }

  /** @param {Query} query @param {number} index @returns {string | undefined} undefined: not known yet */
  at(query, index) {
    const page = this.#subscription.page(query);
    return page === null ? undefined : this.#store.order?.[index - page.offset];
  }
}
