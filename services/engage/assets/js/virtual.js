/**
 * A list of which only the part on screen is in the DOM. Elements that stay are not moved, so that the focus and
 * the picture in them stay too.
 */

/** @import { Context, Device } from "./types.js" */

import { setAttribute } from "./dom.js";

/**
 * @typedef {object} Item
 * @property {HTMLElement} element
 * @property {(device: Device, context: Context) => void} update
 * @property {(context: Context) => void} render
 * @property {() => void} destroy
 */

/** @template {Item} T */
export class VirtualList {
  /**
   * @param {HTMLElement} element
   * @param {{ make: (deviceID: string) => T, placeholder: () => HTMLElement, position: (element: HTMLElement, index: number, total: number) => void }} parts
   */
  constructor(element, parts) {
    this.#element = element;
    this.#parts = parts;
  }

  #element;
  #parts;
  /** @type {Map<string, T>} */
  #items = new Map();
  /** @type {HTMLElement[]} */
  #placeholders = [];

  /** @returns {Iterable<T>} */
  items() {
    return this.#items.values();
  }

  /** @param {string} deviceID @returns {T | undefined} */
  get(deviceID) {
    return this.#items.get(deviceID);
  }

  /**
   * @param {{ first: number, end: number, total: number }} range
   * @param {(index: number) => Device | undefined} at undefined: not known yet, a placeholder is shown
   * @param {Context} context
   */
  show({ first, end, total }, at, context) {
    const devices = Array.from({ length: end - first }, (_, step) => at(first + step));
    const wanted = new Set(devices.map((device) => device?.deviceID));
    for (const [id, item] of this.#items) if (!wanted.has(id)) this.#drop(id, item);
    /** @type {Element | null} */
    let place = this.#element.firstElementChild;
    let unknown = 0;
    devices.forEach((device, step) => {
      const element = device === undefined ? this.#placeholder(unknown++) : this.#item(device, context);
      setAttribute(element, "data-index", String(first + step));
      this.#parts.position(element, first + step, total);
      if (element === place) place = place.nextElementSibling;
      else this.#element.insertBefore(element, place);
    });
    for (const element of this.#placeholders.splice(unknown)) element.remove();
  }

  clear() {
    for (const [id, item] of this.#items) this.#drop(id, item);
  }

  /** @param {Device} device @param {Context} context */
  #item(device, context) {
    const known = this.#items.get(device.deviceID);
    if (known !== undefined) return known.element;
    const item = this.#parts.make(device.deviceID);
    this.#items.set(device.deviceID, item);
    item.update(device, context);
    return item.element;
  }

  /** @param {number} number */
  #placeholder(number) {
    this.#placeholders[number] ??= this.#parts.placeholder();
    return this.#placeholders[number];
  }

  /** @param {string} id @param {T} item */
  #drop(id, item) {
    this.#items.delete(id);
    // whoever was on it goes on from here, not from the top of the page
    if (item.element.contains(document.activeElement)) this.#element.focus({ preventScroll: true });
    item.destroy();
    item.element.remove();
  }
}

/** Positions for whoever cannot see the whole. @param {HTMLElement} element @param {number} index @param {number} total */
export function positionInSet(element, index, total) {
  setAttribute(element, "aria-posinset", String(index + 1));
  setAttribute(element, "aria-setsize", String(total));
}
