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

  /** @param {Alert[]} alerts worst first @param {Context} context */
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
  }
}

/** @param {Alert} alert */
function item({ rule, target, state, severity, message }) {
  const { word, icon: name } = SEVERITY_WORDS[severity];
  const chip = html("span", { class: "chip", "data-severity": severity }, icon(name), state === "unknown" ? `${word}, not known at present` : word);
  return html(
    "li",
    { "data-alert": `${rule}/${target}`, "data-severity": severity, "data-alert-state": state },
    chip,
    html("span", { class: "alert-message" }, message),
    html("span", { class: "soft" }, target),
    html("span", { class: "soft alert-since" }),
  );
}
