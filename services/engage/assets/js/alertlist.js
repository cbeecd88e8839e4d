/** What the rules of this installation have to say, above everything else. */

/** @import { Alert, Context } from "./types.js" */

import { byId, html, icon, setText, setVisible } from "./dom.js";
import { age } from "./format.js";

/** @type {Record<Alert["severity"], { word: string, icon: string }>} */
const SEVERITY_WORDS = {
  critical: { word: "Critical", icon: "failing" },
  warning: { word: "Warning", icon: "bell" },
  info: { word: "Notice", icon: "info" },
};

/** More are counted, not listed. */
const MOST = 5;

export class AlertList {
  #section = byId("alerts");
  #list = byId("alert-list");
  #more = byId("alerts-more");
  #key = "";
  /** @type {Set<string>} rules and targets that were there the last time */
  #known = new Set();

  /** @param {Alert[]} alerts worst first @param {Context} context @returns {string} what is new, to be read out; "" for nothing */
  render(alerts, { now }) {
    const shown = alerts.slice(0, MOST);
    const key = JSON.stringify(shown);
    if (key !== this.#key) {
      this.#key = key;
      this.#list.replaceChildren(...shown.map(item));
    }
    shown.forEach(({ sinceTimestamp }, index) => {
      const since = this.#list.children[index].querySelector(".alert-since");
      if (since !== null) setText(since, sinceTimestamp === null ? "" : `since ${age(now - sinceTimestamp)}`.replace(/ ago$/, ""));
    });
    const more = alerts.length - shown.length;
    setText(this.#more, more > 0 ? `and ${more.toLocaleString("en")} more` : "");
    setVisible(this.#section, alerts.length > 0);
    const fresh = shown.filter((alert) => !this.#known.has(name(alert)));
    this.#known = new Set(shown.map(name));
    return fresh.map(({ severity, message }) => `${SEVERITY_WORDS[severity].word}: ${message}`).join(". ");
  }
}

/** @param {Pick<Alert, "rule" | "target">} alert */
function name({ rule, target }) {
  return `${rule}/${target}`;
}

/** @param {Alert} alert */
function item({ rule, target, state, severity, message }) {
  const { word, icon: shape } = SEVERITY_WORDS[severity];
  const chip = html("span", { class: "chip", "data-severity": severity }, icon(shape), state === "unknown" ? `${word}, not known at present` : word);
  return html(
    "li",
    { "data-alert": name({ rule, target }), "data-severity": severity, "data-alert-state": state },
    chip,
    html("span", { class: "alert-message" }, message),
    html("span", { class: "soft" }, target),
    html("span", { class: "soft alert-since" }),
  );
}
