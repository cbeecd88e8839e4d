/** The grid of cameras: which cards exist, in which order, how large, and which of them can be seen. */

/** @import { Change, Context, Device } from "./types.js" */
/** @import { Loader } from "./loader.js" */

import { Card } from "./card.js";
import { divide } from "./division.js";
import { setAttribute } from "./dom.js";

/** Lengths in rem. */
const GAP = 1;
const WORDS_BELOW = 11.25;
const WORDS_BESIDE = { width: 14, widest: 22, height: 12 };
const SMALLEST_PICTURE = 16;
const COMFORTABLE_CARD = 20;

/** Lost to rounding, in pixels: without it a wall that fits would have a scroll bar. */
const SLACK = 4;

const DEFAULT_ASPECT = 4 / 3;
const NARROWEST_ASPECT = 1;
const WIDEST_ASPECT = 16 / 9;

/** cam-2 before cam-10. */
const order = new Intl.Collator("en", { numeric: true });

export class Wall {
  /** @param {HTMLElement} element @param {Loader} loader @param {{ now(): number }} stopwatch */
  constructor(element, loader, stopwatch) {
    this.#element = element;
    this.#loader = loader;
    this.#stopwatch = stopwatch;
    // Pictures a little outside of the window are loaded too, so that scrolling finds them there.
    this.#observer = new IntersectionObserver((entries) => this.#seen(entries), { rootMargin: "25% 0px" });
    new ResizeObserver(() => this.layout()).observe(element);
  }

  #element;
  #loader;
  #stopwatch;
  #observer;
  /** @type {Map<string, Card>} in the order shown */
  #cards = new Map();
  /** @type {Map<Element, Card>} */
  #cardOf = new Map();
  /** @type {Set<Card>} */
  #near = new Set();
  /** @type {Map<string, string>} the size of the picture of each device */
  #shapes = new Map();
  #aspect = DEFAULT_ASPECT;
  #awake = true;

  /** @param {ReadonlyMap<string, Device>} devices @param {Change} change @param {Context} context */
  update(devices, change, context) {
    let arranged = true;
    for (const id of change.removed) {
      this.#remove(id);
      arranged = false;
    }
    for (const id of change.changed) {
      const device = devices.get(id);
      if (device === undefined) continue;
      let card = this.#cards.get(id);
      if (card === undefined) {
        card = this.#add(id);
        arranged = false;
      }
      card.update(device, context);
      const shape = `${device.width} ${device.height}`;
      if (this.#shapes.get(id) !== shape) arranged = false;
      this.#shapes.set(id, shape);
    }
    if (!arranged) this.#arrange(devices);
  }

  /** Once a second: only what can be seen. @param {Context} context */
  tick(context) {
    for (const card of this.#near) card.render(context);
  }

  /** After the connection changed: everything. @param {Context} context */
  renderAll(context) {
    for (const card of this.#cards.values()) {
      if (context.connection === "live") card.picture.retry();
      card.render(context);
    }
  }

  /** A page in the background loads no pictures. @param {boolean} awake */
  setAwake(awake) {
    this.#awake = awake;
    for (const card of this.#near) card.picture.setOnScreen(awake);
  }

  /** Fits the cards to the space there is. */
  layout() {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const { top } = this.#element.getBoundingClientRect();
    const below = parseFloat(getComputedStyle(this.#element.parentElement ?? this.#element).paddingBottom);
    const { columns, card, picture, beside } = divide({
      count: this.#cards.size,
      width: this.#element.clientWidth,
      height: window.innerHeight - (top + window.scrollY) - below - SLACK,
      gap: GAP * rem,
      aspect: this.#aspect,
      below: WORDS_BELOW * rem,
      beside: {
        width: WORDS_BESIDE.width * rem,
        widest: WORDS_BESIDE.widest * rem,
        height: WORDS_BESIDE.height * rem,
      },
      smallest: SMALLEST_PICTURE * rem,
      comfortable: COMFORTABLE_CARD * rem,
    });
    setAttribute(this.#element, "data-words", beside ? "beside" : "below");
    this.#element.style.setProperty("--columns", String(columns));
    this.#element.style.setProperty("--card-width", `${Math.floor(card)}px`);
    this.#element.style.setProperty("--picture-width", `${Math.floor(picture)}px`);
    this.#element.style.setProperty("--aspect", this.#aspect.toFixed(4));
  }

  /** @param {string} id */
  #add(id) {
    const card = new Card(id, this.#loader, this.#stopwatch);
    this.#cards.set(id, card);
    this.#cardOf.set(card.element, card);
    this.#observer.observe(card.element);
    return card;
  }

  /** @param {string} id */
  #remove(id) {
    const card = this.#cards.get(id);
    if (card === undefined) return;
    this.#cards.delete(id);
    this.#shapes.delete(id);
    this.#cardOf.delete(card.element);
    this.#near.delete(card);
    this.#observer.unobserve(card.element);
    card.destroy();
  }

  /** @param {ReadonlyMap<string, Device>} devices */
  #arrange(devices) {
    this.#cards = new Map([...this.#cards].sort(([a], [b]) => order.compare(a, b)));
    let place = this.#element.firstElementChild;
    for (const { element } of this.#cards.values()) {
      if (element === place) place = place.nextElementSibling;
      else this.#element.insertBefore(element, place);
    }
    this.#aspect = commonAspect(devices.values());
    this.layout();
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #seen(entries) {
    for (const { target, isIntersecting } of entries) {
      const card = this.#cardOf.get(target);
      if (card === undefined) continue;
      if (isIntersecting) this.#near.add(card);
      else this.#near.delete(card);
      card.picture.setOnScreen(isIntersecting && this.#awake);
    }
  }
}

/**
 * All pictures get the same room, so that the rows stay level; those of another shape are shown whole within it.
 * @param {Iterable<Device>} devices
 * @returns {number} the most frequent width by height, within limits
 */
function commonAspect(devices) {
  /** @type {Map<number, number>} */
  const votes = new Map();
  for (const { width, height } of devices) {
    if (width === null || height === null) continue;
    const aspect = Math.min(WIDEST_ASPECT, Math.max(NARROWEST_ASPECT, width / height));
    const key = Math.round(aspect * 1000) / 1000;
    votes.set(key, (votes.get(key) ?? 0) + 1);
  }
  const [winner] = [...votes].sort(([, a], [, b]) => b - a);
  return winner === undefined ? DEFAULT_ASPECT : winner[0];
}
