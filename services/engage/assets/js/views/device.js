/** One camera: its picture at full size, what is known of it, its recent counts and failures. */

/** @import { Change, Context, Failure, Route, Services, Wish } from "../types.js" */

import { Chart } from "../chart.js";
import { html, icon, routeLink, setAttribute, setText, setVisible } from "../dom.js";
import { facts } from "../facts.js";
import { FactList } from "../factlist.js";
import { clockTime, duration } from "../format.js";
import { labelLinks } from "../labels.js";
import { NoteList } from "../notelist.js";
import { Picture } from "../picture.js";
import { Removal } from "../removal.js";
import { StateChip } from "../statechip.js";
import { countAge, countCaption, notes, shownState } from "../wording.js";

/** @type {[string, number][]} */
const SPANS = [
  ["5 min", 300],
  ["15 min", 900],
  ["1 h", 3600],
  ["All", Infinity],
];

export class DeviceView {
  /** @param {Services} services */
  constructor(services) {
    this.#services = services;
    this.#id = services.router.route.device ?? "";
    this.#picture = new Picture(services.loader, services.stopwatch, { scores: true });
    this.#picture.setOnScreen(true);
    this.#held = services.histories.open(this.#id);
    this.#removal = new Removal(this.#id);
    this.#json.href = `api/v1/devices/${encodeURIComponent(this.#id)}`;
    this.#name.textContent = this.#id;
    this.#spans.append(...SPANS.map((span) => this.#spanButton(span)));
    this.element = this.#build();
    this.#address();
  }

  #services;
  #id;
  #picture;
  #held;
  #removal;
  #back = routeLink({ class: "back" }, icon("back"), "All cameras");
  #name = html("h2", { class: "device-name", tabindex: "-1" });
  #chip = new StateChip();
  #labels = html("ul", { class: "labels", "aria-label": "Labels" });
  #count = html("strong", { class: "count" });
  #caption = html("span", { class: "caption" });
  #age = html("p", { class: "age" });
  #notes = new NoteList();
  #facts = new FactList();
  #spans = html("div", { class: "segments", role: "group", "aria-label": "Time shown" });
  #chart = new Chart();
  #recorded = html("p", { class: "soft" });
  #failureList = html("ol", { class: "failures" });
  #noFailures = html("p", { class: "soft" }, "None that is known of.");
  #json = html("a", { class: "button" }, icon("json"), "JSON");
  #missing = html("p", { class: "message", hidden: "" });
  #parts = html("div", { class: "device-parts" });
  #seconds = SPANS[0][1];
  /** @type {Failure[]} those in the list */
  #listed = [];
  #drawn = false;

  #build() {
    const reading = html("p", { class: "reading" }, this.#count, this.#caption);
    this.#parts.append(
      html("div", { class: "device-picture" }, this.#picture.element),
      html("section", { class: "panel device-now", "aria-label": "Now" }, reading, this.#age, this.#notes.element, this.#facts.element),
      html(
        "section",
        { class: "panel device-history", "aria-labelledby": "history-title" },
        html("div", { class: "panel-head" }, html("h3", { id: "history-title" }, "Recent counts"), this.#spans),
        this.#chart.element,
        this.#recorded,
      ),
      html(
        "section",
        { class: "panel device-failures", "aria-labelledby": "failures-title" },
        html("h3", { id: "failures-title" }, "Last failures"),
        this.#failureList,
        this.#noFailures,
      ),
    );
    const head = html("div", { class: "device-head" }, this.#back, this.#name, this.#chip.element, this.#labels, this.#removal.element, this.#json);
    return html("section", { class: "device-view", "aria-label": `Camera ${this.#id}`, "data-device": this.#id }, head, this.#missing, this.#parts);
  }

  title() {
    return this.#id;
  }

  /** @returns {Wish} */
  wish() {
    return { devices: [this.#id] };
  }

  /** @param {Route} _route @param {Context} context */
  setRoute(_route, context) {
    this.#address();
    this.render(context);
  }

  /** @param {Change} change @param {Context} context */
  update(change, context) {
    const device = this.#services.store.devices.get(this.#id);
    if (device !== undefined && (change.changed.has(this.#id) || !this.#drawn)) {
      this.#labels.replaceChildren(...labelLinks(device, this.#services));
      this.#picture.update(device);
      this.#drawn = true;
    }
    this.render(context);
  }

  arrange() {
    this.#picture.setWidth(this.#picture.element.clientWidth);
  }

  /** @param {Context} context */
  render(context) {
    const device = this.#services.store.devices.get(this.#id) ?? null;
    const known = this.#services.store.summary !== null;
    setVisible(this.#parts, device !== null);
    setVisible(this.#missing, device === null && known);
    setVisible(this.#chip.element, device !== null);
    setText(this.#missing, `There is no camera ${this.#id}. It may have been removed, or not have connected yet.`);
    this.#removal.allow(this.#services.session()?.user?.role === "administrator");
    if (device === null) return;
    const shown = shownState(device, context.connection);
    setAttribute(this.element, "data-state", shown);
    setAttribute(this.element, "data-count", device.count === null ? "" : String(device.count));
    setAttribute(this.element, "data-frame", device.frameID);
    this.#chip.show(shown);
    setText(this.#count, device.count === null ? "—" : String(device.count));
    setText(this.#caption, countCaption(device, shown));
    setText(this.#age, countAge(device, context));
    this.#notes.show(notes(device, shown, context));
    this.#facts.show(facts(device, context.now));
    if (context.connection === "live") this.#picture.retry();
    this.#picture.render(context);
    this.#services.histories.want(this.#id);
    this.#chart.render(this.#held.points, this.#seconds, context.now, device);
    setText(this.#recorded, this.#recordedText(context.now));
    this.#renderFailures(context.now);
  }

  /** @param {boolean} awake */
  setAwake(awake) {
    this.#picture.setOnScreen(awake);
  }

  leave() {
    this.#services.histories.release(this.#id);
    this.#picture.destroy();
  }

  #address() {
    setAttribute(this.#back, "href", this.#services.router.href({ view: this.#services.router.route.list, device: null }));
  }

  /** @param {number} now */
  #renderFailures(now) {
    const { failures } = this.#held;
    if (failures === this.#listed) return;
    this.#listed = failures;
    setVisible(this.#noFailures, failures.length === 0);
    const items = failures.map(({ reason, message, failedTimestamp }) => {
      const when = failedTimestamp === null ? "at an unknown time" : clockTime(failedTimestamp, now);
      return html("li", {}, html("time", {}, when), " ", html("strong", {}, reason), message === "" ? "" : `: ${message}`);
    });
    this.#failureList.replaceChildren(...items);
  }

  /** @param {number} now */
  #recordedText(now) {
    const { since, problem } = this.#held;
    if (problem !== "") return `What the server remembers is missing (${problem}): only counts since this view was opened.`;
    return since === null ? "" : `This server remembers the last ${duration(now - since)}.`;
  }

  /** @param {[string, number]} span */
  #spanButton([name, seconds]) {
    const button = html("button", { type: "button", "aria-pressed": String(seconds === this.#seconds) }, name);
    button.addEventListener("click", () => {
      this.#seconds = seconds;
      for (const other of this.#spans.children) setAttribute(other, "aria-pressed", String(other === button));
      this.render(this.#services.context());
    });
    return button;
  }
}
