/** One camera in the table. */

/** @import { Context, Device, Services } from "./types.js" */

import { html, routeLink, setAttribute, setText } from "./dom.js";
import { labelItems, sameLabels } from "./labels.js";
import { Sparkline } from "./sparkline.js";
import { StateChip } from "./statechip.js";
import { countAge, notes, shownState } from "./wording.js";

export class Row {
  /** @param {string} deviceID @param {Services} services */
  constructor(deviceID, services) {
    this.#services = services;
    this.#deviceID = deviceID;
    this.#sparkline = new Sparkline(services.histories.of(deviceID));
    this.#link.textContent = deviceID;
    this.#link.id = `device-${deviceID}`;
    this.element = html(
      "tr",
      { "data-device": deviceID },
      html("td", { class: "col-state" }, this.#chip.element),
      html("th", { class: "col-name", scope: "row" }, this.#link),
      html("td", { class: "col-count" }, this.#count),
      html("td", { class: "col-spark" }, this.#sparkline.element),
      html("td", { class: "col-age" }, this.#age),
      html("td", { class: "col-labels" }, this.#labels),
      html("td", { class: "col-notes" }, this.#notes),
    );
    this.address();
  }

  #services;
  #deviceID;
  #sparkline;
  #chip = new StateChip();
  #link = routeLink({});
  #count = html("strong", { class: "count" });
  #age = html("span");
  #labels = html("ul", { class: "labels" });
  #notes = html("span");
  /** @type {Device | null} */
  #device = null;

  address() {
    setAttribute(this.#link, "href", this.#services.router.href({ view: "device", device: this.#deviceID }));
  }

  focus() {
    this.#link.focus();
  }

  /** @param {Device} device @param {Context} context */
  update(device, context) {
    if (!sameLabels(this.#device, device)) this.#labels.replaceChildren(...labelItems(device));
    this.#device = device;
    this.render(context);
  }

  /** @param {Context} context */
  render(context) {
    const device = this.#device;
    if (device === null) return;
    const shown = shownState(device, context.connection);
    setAttribute(this.element, "data-state", shown);
    setAttribute(this.element, "data-count", device.count === null ? "" : String(device.count));
    setAttribute(this.element, "data-frame", device.frameID);
    this.#chip.show(shown);
    setText(this.#count, device.count === null ? "—" : String(device.count));
    setText(this.#age, countAge(device, context));
    const words = notes(device, shown, context).map(({ text }) => text).join(". ");
    setText(this.#notes, words);
    setAttribute(this.#notes, "title", words === "" ? null : words);
    this.#services.histories.want(this.#deviceID);
    this.#sparkline.render(device, shown, context.now);
  }

  destroy() {
    this.#services.histories.release(this.#deviceID);
  }
}
