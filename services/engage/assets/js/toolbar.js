/** Views, filters, order and density: everything that goes into the URL. */

/** @import { DeviceState, Route, Summary, ViewName } from "./types.js" */
/** @import { Router } from "./router.js" */

import { byId, html, icon, setAttribute, setText, setVisible } from "./dom.js";
import { STATES } from "./device.js";
import { isFiltered, parseLabel, toggleState, withLabel, withoutLabel } from "./route.js";
import { STATE_WORDS } from "./wording.js";

/** Typing is followed when it pauses. */
const TYPING_MS = 200;

/** Labels that are offered. */
const MOST_OFFERED = 200;

export class Toolbar {
  /** @param {Router} router */
  constructor(router) {
    this.#router = router;
    this.#search.addEventListener("input", () => this.#typed());
    this.#search.addEventListener("change", () => this.#entered());
    this.#toggle.addEventListener("click", () => this.#toggleFilters());
    this.#sort.addEventListener("change", () => this.#amend({ sort: this.#sort.value }));
    this.#density.addEventListener("change", () => router.amend({ density: /** @type {Route["density"]} */ (this.#density.value) }));
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    this.#clear.addEventListener("click", () => {
      this.#amend({ q: "", states: [], labels: [] });
      this.#search.focus();
    });
    byId("states").append(...STATES.map((state) => this.#stateButton(state)));
  }

  #router;
  #search = /** @type {HTMLInputElement} */ (byId("search"));
  /** On small screens the filters are out of the way until they are wanted. */
  #toggle = byId("filters-toggle");
  #sort = /** @type {HTMLSelectElement} */ (byId("sort"));
  #density = /** @type {HTMLSelectElement} */ (byId("density"));
  #clear = byId("clear");
  #chosen = byId("chosen-labels");
  #offered = byId("known-labels");
  /** @type {Map<DeviceState, { button: HTMLElement, count: HTMLElement }>} */
  #states = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {Set<string>} */
  #known = new Set();

  /** @param {Route} route */
  setRoute(route) {
    const { query, view } = route;
    for (const link of document.querySelectorAll("a[data-view]")) {
      const name = /** @type {ViewName} */ (link.getAttribute("data-view"));
      const back = name === "wall" || name === "table" ? name : route.list;
      setAttribute(link, "href", this.#router.href({ view: name, device: null, list: back }));
      setAttribute(link, "aria-current", view === name ? "page" : null);
    }
    const list = view === "wall" || view === "table";
    setVisible(byId("filters"), list);
    setVisible(this.#toggle, list);
    setVisible(byId("density-field"), view === "wall");
    if (document.activeElement !== this.#search) this.#search.value = query.q;
    this.#showSort(query.sort);
    this.#density.value = route.density;
    for (const [state, { button }] of this.#states) setAttribute(button, "aria-pressed", String(query.states.includes(state)));
    this.#chosen.replaceChildren(...query.labels.map((label) => this.#chosenLabel(label)));
    setVisible(this.#chosen, query.labels.length > 0);
    setVisible(this.#clear, isFiltered(query));
  }

  /** @param {Summary | null} summary @param {number | null} total of the cameras that match */
  render(summary, total) {
    for (const [state, { count }] of this.#states) setText(count, summary === null ? "" : summary[state].toLocaleString("en"));
    const filtered = isFiltered(this.#router.route.query) && total !== null;
    setText(byId("found"), filtered ? `${total.toLocaleString("en")} found` : "");
  }

  /** Offers the labels that have been seen. @param {Iterable<[string, string][]>} labels */
  offer(labels) {
    for (const list of labels) {
      for (const [key, value] of list) {
        const text = `${key}:${value}`;
        if (this.#known.has(text) || this.#known.size >= MOST_OFFERED) continue;
        this.#known.add(text);
        this.#offered.append(html("option", { value: text }));
      }
    }
  }

  /** @param {Partial<Route["query"]>} part */
  #amend(part) {
    this.#router.amend({ query: { ...this.#router.route.query, ...part } });
  }

  #typed() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#amend({ q: this.#search.value }), TYPING_MS);
  }

  /** What is chosen from the list or entered as key:value filters by that label. */
  #entered() {
    const label = parseLabel(this.#search.value);
    if (label === null) return;
    clearTimeout(this.#timer);
    this.#search.value = "";
    this.#router.amend({ query: withLabel({ ...this.#router.route.query, q: "" }, label) });
  }

  #toggleFilters() {
    const expanded = this.#toggle.getAttribute("aria-expanded") !== "true";
    setAttribute(this.#toggle, "aria-expanded", String(expanded));
    if (expanded) this.#search.focus();
  }

  /** The table can sort by what the list does not offer. @param {string} sort */
  #showSort(sort) {
    this.#sort.value = sort;
    if (this.#sort.value !== sort) this.#sort.selectedIndex = -1;
  }

  /** @param {[string, string]} label */
  #chosenLabel(label) {
    const text = label.join(": ");
    const button = html("button", { type: "button", "aria-label": `Remove the filter ${text}` }, text, icon("close"));
    button.addEventListener("click", () => {
      this.#router.amend({ query: withoutLabel(this.#router.route.query, label) });
      this.#search.focus();
    });
    return html("li", {}, button);
  }

  /** @param {DeviceState} state */
  #stateButton(state) {
    const count = html("span", { class: "state-count" });
    const { word, icon: name } = STATE_WORDS[state];
    const button = html("button", { type: "button", "aria-pressed": "false", "data-filter": state }, icon(name), html("span", { class: "word" }, word), " ", count);
    button.addEventListener("click", () => this.#router.amend({ query: toggleState(this.#router.route.query, state) }));
    this.#states.set(state, { button, count });
    return button;
  }
}
