/** The part of the cameras that a list shows: what is asked of the server for it, and what goes into the list. */

/** @import { Change, Context, Device, Route, Services, Wish } from "./types.js" */
/** @import { VirtualList } from "./virtual.js" */

import { pageOf } from "./range.js";

/** Asked for before it is known how many there are, and how many fit. */
const FIRST_PAGE = { offset: 0, limit: 48 };

export class Excerpt {
  /**
   * @param {Services} services
   * @param {VirtualList<import("./virtual.js").Item & { focus(): void, address(): void }>} list
   */
  constructor(services, list) {
    this.#services = services;
    this.#list = list;
    this.#query = services.router.route.query;
  }

  #services;
  #list;
  #query;
  #page = FIRST_PAGE;

  /** @returns {Wish} */
  wish() {
    return { query: this.#query, ...this.#page };
  }

  /** How many cameras there are; null while that is not known. */
  total() {
    return this.#services.listing.total(this.#query);
  }

  /** @param {Route} route */
  setRoute({ query }) {
    if (JSON.stringify(query) !== JSON.stringify(this.#query)) this.#page = FIRST_PAGE;
    this.#query = query;
    for (const item of this.#list.items()) item.address();
  }

  /** @param {Change} change @param {Context} context */
  update(change, context) {
    for (const id of change.changed) {
      const device = this.#services.store.devices.get(id);
      if (device !== undefined) this.#list.get(id)?.update(device, context);
    }
  }

  /** @param {{ first: number, end: number, total: number }} range @param {Context} context */
  show(range, context) {
    this.#list.show(range, (index) => this.#device(index), context);
    this.#page = pageOf(range);
  }

  /** @param {number} index @returns {boolean} whether it is there */
  focus(index) {
    const id = this.#services.listing.at(this.#query, index);
    const item = id === undefined ? undefined : this.#list.get(id);
    item?.focus();
    return item !== undefined;
  }

  /** @param {number} index @returns {Device | undefined} */
  #device(index) {
    const id = this.#services.listing.at(this.#query, index);
    return id === undefined ? undefined : this.#services.store.devices.get(id);
  }
}
