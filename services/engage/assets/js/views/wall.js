/** The grid of cameras: how large the cards are, and which of them are on screen. */

/** @import { Change, Context, Device, Route, Services } from "../types.js" */

import { Card } from "../card.js";
import { divide } from "../division.js";
import { html, setAttribute } from "../dom.js";
import { Excerpt } from "../excerpt.js";
import { moveFocus } from "../keys.js";
import { visible } from "../range.js";
import { VirtualList, positionInSet } from "../virtual.js";

/**
 * Lengths in rem, for each density: the words below the picture, or beside it, and the cards; and how many cards may be
 * in the page when there are more than can be seen, because small ones are made of less.
 */
const SIZES = {
  compact: { below: 5.75, beside: null, smallest: 9, comfortable: 13, gap: 0.75, most: 56 },
  normal: { below: 10.25, beside: { width: 16, widest: 23, height: 12 }, smallest: 16, comfortable: 20, gap: 1, most: 36 },
  large: { below: 10.25, beside: { width: 16, widest: 24, height: 12 }, smallest: 28, comfortable: 32, gap: 1, most: 36 },
};

/** Lost to rounding, in pixels: without it a wall that fits would have a scroll bar. */
const SLACK = 4;

const DEFAULT_ASPECT = 4 / 3;
const NARROWEST_ASPECT = 1;
const WIDEST_ASPECT = 16 / 9;

export class WallView {
  /** @param {Services} services */
  constructor(services) {
    this.#services = services;
    this.#density = services.router.route.density;
    this.#excerpt = new Excerpt(services, this.#cards);
    this.#observer.observe(this.#list);
    this.element = html("section", { class: "wall-view", "aria-label": "Wall" }, html("h2", { class: "unseen" }, "Cameras"), this.#list);
    this.#list.addEventListener("keydown", (event) => moveFocus(event, this.#columns, (index) => this.#excerpt.focus(index)));
  }

  #services;
  #density;
  #excerpt;
  #list = html("ul", { id: "wall", class: "wall", role: "list", tabindex: "-1", "aria-label": "Cameras" });
  #observer = new ResizeObserver(() => this.#services.wishChanged());
  #cards = new VirtualList(this.#list, {
    make: (/** @type {string} */ id) => this.#make(id),
    placeholder: () => html("li", { class: "wall-item placeholder", "aria-hidden": "true" }),
    position: positionInSet,
  });
  #columns = 1;
  #pitch = 1;
  #pictureWidth = 320;
  #aspect = DEFAULT_ASPECT;
  #awake = true;

  title() {
    return "Wall";
  }

  wish() {
    return this.#excerpt.wish();
  }

  /** @param {Route} route @param {Context} context */
  setRoute(route, context) {
    // small cards are made of less
    if (this.#density !== route.density) this.#cards.clear();
    this.#density = route.density;
    this.#excerpt.setRoute(route);
    this.arrange(context);
  }

  /** @param {Change} change @param {Context} context */
  update(change, context) {
    this.#excerpt.update(change, context);
    this.arrange(context);
  }

  /** @param {Context} context */
  render(context) {
    for (const card of this.#cards.items()) {
      if (context.connection === "live") card.picture.retry();
      card.render(context);
    }
  }

  /** Fits the cards to the space there is, and shows those that are on screen. @param {Context} context */
  arrange(context) {
    const total = this.#excerpt.total();
    if (total === null) return;
    this.#aspect = commonAspect(this.#services.store.devices.values()) ?? this.#aspect;
    this.#layout(total);
    const { top } = this.#list.getBoundingClientRect();
    const strip = { count: total, columns: this.#columns, pitch: this.#pitch, above: -top, height: window.innerHeight };
    const { first, end, firstRow, rows } = visible(strip);
    this.#list.style.setProperty("--before", `${firstRow * this.#pitch}px`);
    this.#list.style.height = `${Math.max(0, rows * this.#pitch - this.#gap())}px`;
    this.#excerpt.show({ first, end, total }, context);
  }

  /** @param {boolean} awake */
  setAwake(awake) {
    this.#awake = awake;
    for (const card of this.#cards.items()) card.picture.setOnScreen(awake);
  }

  leave() {
    this.#observer.disconnect();
    this.#cards.clear();
  }

  /** @param {string} id */
  #make(id) {
    const card = new Card(id, this.#services, this.#density === "compact");
    card.picture.setWidth(this.#pictureWidth);
    card.picture.setOnScreen(this.#awake);
    return card;
  }

  #gap() {
    return SIZES[this.#density].gap * rem();
  }

  /** @param {number} count */
  #layout(count) {
    const unit = rem();
    const { below, beside, smallest, comfortable, most } = SIZES[this.#density];
    const { top } = this.#list.getBoundingClientRect();
    const bottom = parseFloat(getComputedStyle(this.#list.closest("main") ?? this.#list).paddingBottom);
    const division = divide({
      count,
      width: this.#list.clientWidth,
      height: window.innerHeight - (top + window.scrollY) - bottom - SLACK,
      gap: this.#gap(),
      aspect: this.#aspect,
      below: below * unit,
      beside: beside === null ? null : { width: beside.width * unit, widest: beside.widest * unit, height: beside.height * unit },
      smallest: smallest * unit,
      comfortable: comfortable * unit,
      screen: window.innerHeight,
      most,
    });
    const picture = Math.floor(division.picture);
    const row = Math.ceil(picture / this.#aspect) + (division.beside ? 0 : below * unit);
    this.#columns = division.columns;
    this.#pitch = row + this.#gap();
    if (this.#pictureWidth !== picture) {
      this.#pictureWidth = picture;
      for (const card of this.#cards.items()) card.picture.setWidth(picture);
    }
    setAttribute(this.#list, "data-words", division.beside ? "beside" : "below");
    setAttribute(this.#list, "data-density", this.#density);
    for (const [name, value] of Object.entries({
      "--columns": String(division.columns),
      "--card-width": `${Math.floor(division.card)}px`,
      "--picture-width": `${picture}px`,
      "--aspect": this.#aspect.toFixed(4),
      "--row": `${row}px`,
      "--gap": `${this.#gap()}px`,
    })) {
      this.#list.style.setProperty(name, value);
    }
  }
}

function rem() {
  return parseFloat(getComputedStyle(document.documentElement).fontSize);
}

/**
 * All pictures get the same room, so that the rows stay level; those of another shape are shown whole within it.
 * @param {Iterable<Device>} devices
 * @returns {number | null} the most frequent width by height, within limits
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
  return winner === undefined ? null : winner[0];
}
