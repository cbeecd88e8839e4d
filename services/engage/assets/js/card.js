/**
 * One camera on the wall.
 *
 * What the page claims can be read from the outside: the card carries `data-device`, `data-state` (what is shown:
 * "disconnected" instead of "live" without a connection), `data-count` (empty when unknown) and `data-frame` (of the
 * count); the picture carries the `data-frame` of its own pair.
 */

/** @import { Context, Device, Services } from "./types.js" */

import { html, routeLink, setAttribute, setText, setVisible } from "./dom.js";
import { clockTime } from "./format.js";
import { labelItems, sameLabels } from "./labels.js";
import { NoteList } from "./notelist.js";
import { Picture } from "./picture.js";
import { Sparkline } from "./sparkline.js";
import { StateChip } from "./statechip.js";
import { countAge, countCaption, notes, shownState } from "./wording.js";

/** A longer name is set smaller; 64 characters are allowed. */
const LONG_NAME = 24;

export class Card {
  /** @param {string} deviceID @param {Services} services @param {boolean} small without what does not fit */
  constructor(deviceID, services, small) {
    this.#services = services;
    this.#deviceID = deviceID;
    this.picture = new Picture(services.loader, services.stopwatch);
    this.#sparkline = new Sparkline(services.histories.of(deviceID));
    this.#link.textContent = deviceID;
    setAttribute(this.#link, "data-long", deviceID.length > LONG_NAME ? "" : null);
    this.#link.id = `device-${deviceID}`;
    const body = html(
      "div",
      { class: "card-body" },
      html("div", { class: "card-head" }, html("h3", { class: "name" }, this.#link), this.#chip.element),
      html("p", { class: "reading" }, this.#count, ...(small ? [] : [this.#caption])),
      html("p", { class: "times" }, this.#age, ...(small ? [] : [this.#captured])),
    );
    const foot = html("div", { class: "card-foot" }, this.#notes.element, this.#labels);
    if (!small) body.append(this.#sparkline.element, foot);
    // The name comes first for whoever listens; the picture is put on top by the style sheet.
    this.#article = html("article", { class: "card" }, body, this.picture.element);
    this.#article.setAttribute("aria-labelledby", this.#link.id);
    this.#article.setAttribute("data-device", deviceID);
    this.element = html("li", { class: "wall-item" }, this.#article);
    this.address();
  }

  #services;
  #deviceID;
  #sparkline;
  #link = routeLink({ class: "card-link" });
  #chip = new StateChip();
  #count = html("strong", { class: "count" });
  #caption = html("span", { class: "caption" });
  #age = html("span", { class: "age" });
  #captured = html("span", { class: "captured" });
  #labels = html("ul", { class: "labels", "aria-label": "Labels", hidden: "" });
  #notes = new NoteList();
  #article;
  /** @type {Device | null} */
  #device = null;

  /** The route has changed, and with it the way back from the camera. */
  address() {
    setAttribute(this.#link, "href", this.#services.router.href({ view: "device", device: this.#deviceID }));
  }

  focus() {
    this.#link.focus();
  }

  /** @param {Device} device @param {Context} context */
  update(device, context) {
    if (!sameLabels(this.#device, device)) {
      this.#labels.replaceChildren(...labelItems(device));
      setVisible(this.#labels, device.labels.length > 0);
    }
    this.#device = device;
    this.picture.update(device);
    this.render(context);
  }

  /** Everything that depends on the time or the connection too. @param {Context} context */
  render(context) {
    const device = this.#device;
    if (device === null) return;
    const shown = shownState(device, context.connection);
    setAttribute(this.#article, "data-state", shown);
    setAttribute(this.#article, "data-count", device.count === null ? "" : String(device.count));
    setAttribute(this.#article, "data-frame", device.frameID);
    this.#chip.show(shown);
    setText(this.#count, device.count === null ? "—" : String(device.count));
    setText(this.#caption, countCaption(device, shown));
    setText(this.#age, countAge(device, context));
    setText(this.#captured, capturedText(device, context.now));
    this.#notes.show(notes(device, shown, context));
    this.#services.histories.want(this.#deviceID);
    this.#sparkline.render(device, shown, context.now);
    this.picture.render(context);
  }

  destroy() {
    this.#services.histories.release(this.#deviceID);
    this.picture.destroy();
  }
}

/** @param {Device} device @param {number} now */
function capturedText({ creationTimestamp }, now) {
  return creationTimestamp === null ? "" : `captured ${clockTime(creationTimestamp, now)}`;
}
