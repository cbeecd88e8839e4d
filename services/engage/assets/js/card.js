/**
 * One camera on the wall.
 *
 * What the page claims can be read from the outside: the card carries `data-device`, `data-state` (what is shown:
 * "disconnected" instead of "live" without a connection), `data-count` (empty when unknown) and `data-frame` (of the
 * count); the picture carries the `data-frame` of its own pair.
 */

/** @import { Context, Device } from "./types.js" */
/** @import { Loader } from "./loader.js" */
/** @import { Note } from "./wording.js" */

import { html, icon, setAttribute, setIcon, setText, setVisible } from "./dom.js";
import { clockTime } from "./format.js";
import { Picture } from "./picture.js";
import { STATE_WORDS, countAge, countCaption, notes, shownState } from "./wording.js";

/** A longer name is set smaller; 64 characters are allowed. */
const LONG_NAME = 24;

export class Card {
  /** @param {string} deviceID @param {Loader} loader @param {{ now(): number }} stopwatch */
  constructor(deviceID, loader, stopwatch) {
    this.picture = new Picture(loader, stopwatch);
    this.#name.textContent = deviceID;
    setAttribute(this.#name, "data-long", deviceID.length > LONG_NAME ? "" : null);
    this.#name.id = `device-${deviceID}`;
    const body = html(
      "div",
      { class: "card-body" },
      html("div", { class: "card-head" }, this.#name, this.#chip),
      html("p", { class: "reading" }, this.#count, this.#caption, html("span", { class: "times" }, this.#age, this.#captured)),
      this.#labels,
      this.#notes,
    );
    // The name comes first for whoever listens; the picture is put on top by the style sheet.
    this.#article = html("article", { class: "card" }, body, this.picture.element);
    this.#article.setAttribute("aria-labelledby", this.#name.id);
    this.#article.setAttribute("data-device", deviceID);
    this.element = html("li", { class: "wall-item" }, this.#article);
  }

  #name = html("h3", { class: "name" });
  #chipIcon = icon("unknown");
  #chipWord = html("span");
  #chip = html("span", { class: "chip" }, this.#chipIcon, this.#chipWord);
  #count = html("strong", { class: "count" });
  #caption = html("span", { class: "caption" });
  #age = html("span", { class: "age" });
  #captured = html("span", { class: "captured" });
  #labels = html("ul", { class: "labels", "aria-label": "Labels", hidden: "" });
  #notes = html("ul", { class: "notes", "aria-label": "Notes", hidden: "" });
  #article;
  /** @type {Device | null} */
  #device = null;

  /** @param {Device} device @param {Context} context */
  update(device, context) {
    if (!sameLabels(this.#device, device)) this.#renderLabels(device);
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
    setIcon(this.#chipIcon, STATE_WORDS[shown].icon);
    setText(this.#chipWord, STATE_WORDS[shown].word);
    setText(this.#count, device.count === null ? "—" : String(device.count));
    setText(this.#caption, countCaption(device, shown));
    setText(this.#age, countAge(device, context.now));
    setText(this.#captured, capturedText(device, context.now));
    this.#renderNotes(notes(device, shown, context));
    this.picture.render(context);
  }

  destroy() {
    this.picture.destroy();
    this.element.remove();
  }

  /** @param {Device} device */
  #renderLabels({ labels }) {
    const items = labels.map(([key, value]) =>
      html("li", {}, html("span", { class: "label-key" }, key), html("span", {}, value)),
    );
    this.#labels.replaceChildren(...items);
    setVisible(this.#labels, items.length > 0);
  }

  /** Keeps the elements and changes their words: a note with an age in it changes every second. @param {Note[]} list */
  #renderNotes(list) {
    while (this.#notes.children.length > list.length) this.#notes.lastElementChild?.remove();
    while (this.#notes.children.length < list.length) this.#notes.append(html("li", {}, icon("info"), html("span")));
    list.forEach((note, index) => {
      const item = this.#notes.children[index];
      setAttribute(item, "data-kind", note.kind);
      setIcon(/** @type {SVGElement} */ (item.firstElementChild), note.icon);
      setText(/** @type {Element} */ (item.lastElementChild), note.text);
    });
    setVisible(this.#notes, list.length > 0);
  }
}

/** @param {Device} device @param {number} now */
function capturedText({ creationTimestamp }, now) {
  return creationTimestamp === null ? "" : `captured ${clockTime(creationTimestamp, now)}`;
}

/** @param {Device | null} before @param {Device} after */
function sameLabels(before, after) {
  return before !== null && JSON.stringify(before.labels) === JSON.stringify(after.labels);
}
