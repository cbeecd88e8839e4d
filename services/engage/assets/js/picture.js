/**
 * The picture of one device with its boxes. The two are a pair: a newer picture is loaded and decoded aside, then
 * picture and boxes are exchanged together. While the pair is older than the count, it says so.
 */

/** @import { Context, Device } from "./types.js" */
/** @import { Loader, LoadedImage } from "./loader.js" */

import { drawBoxes } from "./boxes.js";
import { html, icon, setAttribute, setIcon, setPresent, setText } from "./dom.js";
import { age } from "./format.js";
import { PictureError } from "./loader.js";
import { noPicture } from "./wording.js";

/** A picture may lag behind its count for this long before it is marked. */
const MOMENT_SECONDS = 1.5;

/** More pictures a second than this are not worth their traffic. */
const SHORTEST_INTERVAL_SECONDS = 0.2;

const FIRST_RETRY_SECONDS = 2;
const LAST_RETRY_SECONDS = 30;

/** Widths that the server scales to; anything wider is shown as it is. */
const WIDTHS = [320, 640, 1280];

export class Picture {
  /** @param {Loader} loader @param {{ now(): number }} stopwatch @param {{ scores?: boolean }} [options] */
  constructor(loader, stopwatch, { scores = false } = {}) {
    this.#loader = loader;
    this.#stopwatch = stopwatch;
    this.#scores = scores;
    this.element = html("figure", { class: "picture" }, this.#pair, this.#missing);
    setAttribute(this.element, "data-picture", "missing");
  }

  #loader;
  #stopwatch;
  #scores;
  #width = Infinity;

  #pair = html("div", { class: "pair" });
  #missingIcon = icon("camera");
  #missingText = html("span");
  #missing = html("p", { class: "missing" }, this.#missingIcon, this.#missingText);
  #earlier = html("span", { class: "badge badge-earlier" });
  #blurred = html("span", { class: "badge" }, icon("blurred"), "Blurred picture");
  #badges = html("p", { class: "badges" });

  /** @type {Device | null} the newest known, whose picture is wanted */
  #device = null;
  /** @type {{ device: Device, image: LoadedImage } | null} */
  #shown = null;
  /** @type {AbortController | null} */
  #loading = null;
  #startedLast = -Infinity;
  #retryAt = -Infinity;
  #failures = 0;
  #failure = "";
  #onScreen = false;
  /** @type {number | null} stopwatch time since which the pair is older than the count */
  #behindSince = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Device} device */
  update(device) {
    const frameChanged = this.#device?.frameID !== device.frameID;
    this.#device = device;
    // A camera whose pictures are withheld or blurred from now on shows no earlier one either.
    const otherKind = this.#shown !== null && this.#shown.device.picture !== device.picture;
    if (device.image === null || otherKind) this.#clear();
    if (device.frameID === this.#shown?.device.frameID) this.#behindSince = null;
    else if (frameChanged && this.#shown !== null) this.#behindSince ??= this.#stopwatch.now();
    this.#pump();
  }

  /** Pictures are loaded only while somebody can see them. @param {boolean} onScreen */
  setOnScreen(onScreen) {
    this.#onScreen = onScreen;
    this.#pump();
  }

  /** From the next picture on no more pixels are loaded than are shown. @param {number} width in CSS pixels */
  setWidth(width) {
    this.#width = width * window.devicePixelRatio;
  }

  /** Whatever kept pictures from loading may be over. */
  retry() {
    this.#retryAt = -Infinity;
    this.#pump();
  }

  /** @param {Context} context */
  render({ now }) {
    const device = this.#device;
    if (device === null) return;
    this.#pump();
    const behind = this.#behindSince !== null && this.#stopwatch.now() - this.#behindSince > MOMENT_SECONDS;
    const earlier = this.#shown !== null && behind;
    setAttribute(this.element, "data-earlier", earlier ? "" : null);
    if (this.#shown !== null && earlier) setText(this.#earlier, this.#earlierText(this.#shown.device, now));
    setPresent(this.#badges, this.#earlier, earlier);
    this.#compose();
    if (this.#shown === null) {
      const { icon: name, text } = this.#missingReason(device);
      setIcon(this.#missingIcon, name);
      setText(this.#missingText, text);
    }
  }

  destroy() {
    this.#clear();
    this.#device = null;
  }

  /** @param {Device} pictured @param {number} now */
  #earlierText(pictured, now) {
    const when = pictured.countedAt === null ? "" : `, ${age(now - pictured.countedAt)}`;
    return `Earlier picture${when}${this.#failure === "" ? "" : `: the newest was not loaded, ${this.#failure}`}`;
  }

  /** @param {Device} device */
  #missingReason(device) {
    if (device.image === null) return noPicture(device);
    if (this.#failure !== "") return { icon: "no-image", text: `The picture was not loaded: ${this.#failure}` };
    return { icon: "camera", text: "Loading the picture" };
  }

  /** Starts loading the wanted picture if it may be loaded now. */
  #pump() {
    const wanted = this.#device;
    if (wanted === null || wanted.image === null || wanted.frameID === this.#shown?.device.frameID) return;
    if (!this.#onScreen || this.#loading !== null) return;
    const now = this.#stopwatch.now();
    const allowed = Math.max(this.#retryAt, this.#startedLast + SHORTEST_INTERVAL_SECONDS);
    clearTimeout(this.#timer);
    if (now < allowed) {
      this.#timer = setTimeout(() => this.#pump(), (allowed - now) * 1000);
      return;
    }
    this.#startedLast = now;
    void this.#load(wanted, scaled(wanted.image, this.#width));
  }

  /** @param {Device} wanted @param {string} path */
  async #load(wanted, path) {
    const cancel = new AbortController();
    this.#loading = cancel;
    try {
      const image = await this.#loader.load(path, cancel.signal);
      if (cancel.signal.aborted) return image.release();
      this.#show(wanted, image);
    } catch (error) {
      if (cancel.signal.aborted) return;
      this.#failed(error instanceof PictureError ? error.message : String(error));
    }
    this.#loading = null;
    this.#pump();
  }

  /** @param {Device} pictured @param {LoadedImage} image */
  #show(pictured, image) {
    image.element.alt = `Latest picture of ${pictured.deviceID}`;
    this.#pair.replaceChildren(image.element, drawBoxes(pictured.people, image.element, this.#scores));
    this.#shown?.image.release();
    this.#shown = { device: pictured, image };
    this.#failures = 0;
    this.#failure = "";
    this.#retryAt = -Infinity;
    // What is wanted by now arrived while this one was loading.
    this.#behindSince = pictured.frameID === this.#device?.frameID ? null : this.#startedLast;
    setAttribute(this.element, "data-picture", "shown");
    setAttribute(this.element, "data-frame", pictured.frameID);
    this.#compose();
  }

  /** What belongs to the picture besides the pair. */
  #compose() {
    setPresent(this.#badges, this.#blurred, this.#shown?.device.picture === "blurred");
    setPresent(this.element, this.#badges, this.#badges.firstChild !== null);
    setPresent(this.element, this.#missing, this.#shown === null);
  }

  /** @param {string} why */
  #failed(why) {
    this.#failure = why;
    this.#retryAt = this.#stopwatch.now() + Math.min(LAST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 8);
  }

  /** A picture that is no longer to be had, or no longer to be seen, goes at once. */
  #clear() {
    clearTimeout(this.#timer);
    this.#loading?.abort();
    this.#loading = null;
    this.#shown?.image.release();
    this.#shown = null;
    this.#behindSince = null;
    this.#failure = "";
    this.#failures = 0;
    this.#retryAt = -Infinity;
    this.#pair.replaceChildren();
    setAttribute(this.element, "data-picture", "missing");
    setAttribute(this.element, "data-frame", null);
  }
}

/** @param {string} path @param {number} width in pixels @returns {string} */
function scaled(path, width) {
  const size = WIDTHS.find((known) => known >= width);
  return size === undefined ? path : `${path}${path.includes("?") ? "&" : "?"}size=${size}`;
}
