/**
 * One camera after the other at full size, for a screen that nobody sits at. The arrow keys turn the pages, the
 * space bar stops and goes on, Escape leaves.
 */

/** @import { Change, Context, Device, Route, Services, Wish } from "../types.js" */

import { html, icon, routeLink, setAttribute, setIcon, setText, setVisible } from "../dom.js";
import { labelItems } from "../labels.js";
import { NoteList } from "../notelist.js";
import { Picture } from "../picture.js";
import { StateChip } from "../statechip.js";
import { countAge, countCaption, notes, shownState } from "../wording.js";

/** Cameras that are kept ready at a time. */
const PAGE = 24;

export class KioskView {
  /** @param {Services} services */
  constructor(services) {
    this.#services = services;
    this.#route = services.router.route;
    this.#turnedAt = services.stopwatch.now();
    this.#picture = this.#newPicture();
    this.#stage.append(this.#picture.element);
    this.#hold.addEventListener("click", () => this.#toggleHold());
    this.#leaveLink.href = services.router.href({ view: services.router.route.list });
    const reading = html("div", { class: "kiosk-reading" }, this.#name, html("p", { class: "reading" }, this.#count, this.#caption));
    const state = html("div", { class: "kiosk-state" }, this.#chip.element, this.#age, this.#labels, this.#notes.element);
    const controls = html("div", { class: "kiosk-controls" }, this.#place, this.#hold, this.#leaveLink);
    this.element = html("section", { class: "kiosk", "aria-label": "Kiosk" }, this.#stage, html("div", { class: "kiosk-words" }, reading, state, controls));
    document.addEventListener("keydown", this.#key);
  }

  #services;
  /** @type {Route} */
  #route;
  #stage = html("div", { class: "kiosk-stage" });
  #picture;
  #name = html("h2", { class: "kiosk-name" });
  #count = html("strong", { class: "count" });
  #caption = html("span", { class: "caption" });
  #chip = new StateChip();
  #age = html("span", { class: "age" });
  #labels = html("ul", { class: "labels", "aria-label": "Labels" });
  #notes = new NoteList();
  #place = html("span", { class: "soft" });
  #holdIcon = icon("pause");
  #holdWord = html("span", {}, "Stop turning");
  #hold = html("button", { type: "button", "aria-pressed": "false" }, this.#holdIcon, this.#holdWord);
  #leaveLink = routeLink({ class: "button" }, icon("close"), "Leave");
  #index = 0;
  #turnedAt;
  #held = false;
  #awake = true;
  /** @type {string | null} */
  #shownID = null;
  #key = (/** @type {KeyboardEvent} */ event) => this.#pressed(event);

  title() {
    return "Kiosk";
  }

  /** @returns {Wish} */
  wish() {
    return { query: this.#route.query, offset: Math.floor(this.#index / PAGE) * PAGE, limit: PAGE };
  }

  /** @param {Route} route @param {Context} context */
  setRoute(route, context) {
    if (JSON.stringify(route.query) !== JSON.stringify(this.#route.query)) this.#index = 0;
    this.#route = route;
    this.#show(context);
  }

  /** @param {Change} change @param {Context} context */
  update(change, context) {
    const device = this.#device();
    if (device !== undefined && change.changed.has(device.deviceID)) this.#picture.update(device);
    this.#show(context);
  }

  arrange() {
    this.#picture.setWidth(this.#stage.clientWidth);
  }

  /** @param {Context} context */
  render(context) {
    const due = this.#services.stopwatch.now() - this.#turnedAt >= this.#route.seconds;
    if (due && !this.#held && context.connection !== "paused") this.#turn(1);
    else this.#show(context);
  }

  /** @param {boolean} awake */
  setAwake(awake) {
    this.#awake = awake;
    this.#picture.setOnScreen(awake);
  }

  leave() {
    document.removeEventListener("keydown", this.#key);
    this.#picture.destroy();
  }

  #total() {
    return this.#services.listing.total(this.#route.query) ?? 0;
  }

  /** @returns {Device | undefined} */
  #device() {
    const id = this.#services.listing.at(this.#route.query, this.#index);
    return id === undefined ? undefined : this.#services.store.devices.get(id);
  }

  /** @param {number} step */
  #turn(step) {
    this.#turnedAt = this.#services.stopwatch.now();
    const total = this.#total();
    this.#index = total === 0 ? 0 : (this.#index + step + total) % total;
    this.#services.wishChanged();
    this.#show(this.#services.context());
  }

  /** @param {Context} context */
  #show(context) {
    const total = this.#total();
    if (total > 0 && this.#index >= total) this.#index = 0;
    const device = this.#device();
    setVisible(this.element, device !== undefined);
    if (device === undefined) return;
    if (device.deviceID !== this.#shownID) this.#exchange(device);
    const shown = shownState(device, context.connection);
    setAttribute(this.element, "data-device", device.deviceID);
    setAttribute(this.element, "data-state", shown);
    setAttribute(this.element, "data-count", device.count === null ? "" : String(device.count));
    this.#chip.show(shown);
    setText(this.#name, device.deviceID);
    setText(this.#count, device.count === null ? "—" : String(device.count));
    setText(this.#caption, countCaption(device, shown));
    setText(this.#age, countAge(device, context));
    this.#notes.show(notes(device, shown, context));
    setText(this.#place, `${this.#index + 1} of ${total}`);
    if (context.connection === "live") this.#picture.retry();
    this.#picture.render(context);
  }

  /** Another camera: nothing of the one before may stay beside its count. @param {Device} device */
  #exchange(device) {
    this.#shownID = device.deviceID;
    this.#picture.destroy();
    this.#picture = this.#newPicture();
    this.#stage.replaceChildren(this.#picture.element);
    this.#picture.setWidth(this.#stage.clientWidth);
    this.#picture.update(device);
    this.#labels.replaceChildren(...labelItems(device));
  }

  #newPicture() {
    const picture = new Picture(this.#services.loader, this.#services.stopwatch);
    picture.setOnScreen(this.#awake);
    return picture;
  }

  #toggleHold() {
    this.#held = !this.#held;
    this.#turnedAt = this.#services.stopwatch.now();
    setAttribute(this.#hold, "aria-pressed", String(this.#held));
    setIcon(this.#holdIcon, this.#held ? "play" : "pause");
    setText(this.#holdWord, this.#held ? "Go on turning" : "Stop turning");
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const onControl = event.target instanceof Element && event.target.closest("button, a, input, select") !== null;
    if (event.key === "ArrowRight") this.#turn(1);
    else if (event.key === "ArrowLeft") this.#turn(-1);
    else if (event.key === "Escape") this.#leaveLink.click();
    else if (event.key === " " && !onControl) this.#toggleHold();
    else return;
    event.preventDefault();
  }
}
