/**
 * The bar on top: the total, what it is made of, and whether the page is connected.
 *
 * From the outside: `data-connection` on the root element, `data-total` (empty when unknown) on the number,
 * `data-left-out` with the state on each reason.
 */

/** @import { Connection, Summary } from "./types.js" */

import { byId, html, icon, setAttribute, setIcon, setText, setVisible } from "./dom.js";
import { clockTime, plural } from "./format.js";
import { CONNECTION_WORDS, STATE_WORDS, leftOut, total } from "./wording.js";

/**
 * @typedef {object} HeaderState
 * @property {Connection} connection
 * @property {Summary | null} summary
 * @property {number} cameras
 * @property {number} asOf  the server's time of the last message
 * @property {number} now  the server's time
 * @property {number | null} retryIn  seconds; null while no attempt is scheduled
 */

export class Header {
  /** @param {() => void} retry */
  constructor(retry) {
    byId("connection-state").prepend(this.#connectionIcon);
    this.#retry.addEventListener("click", retry);
  }

  #total = byId("total");
  #caption = byId("total-caption");
  #scope = byId("scope");
  #leftOut = byId("left-out");
  #connectionIcon = icon("stale");
  #connectionWord = byId("connection-word");
  #detail = byId("connection-detail");
  #retry = byId("retry");

  /** @param {HeaderState} state */
  render(state) {
    const { connection, summary, retryIn } = state;
    const people = summary === null ? null : total(summary);
    setAttribute(document.documentElement, "data-connection", connection);
    setAttribute(this.#total, "data-total", people === null ? "" : String(people));
    setText(this.#total, people === null ? "—" : people.toLocaleString("en"));
    setText(this.#caption, connection === "live" || people === null ? "people now" : "last total");
    setText(this.#scope, scopeText(state));
    this.#renderLeftOut(summary);
    setIcon(this.#connectionIcon, CONNECTION_WORDS[connection].icon);
    setText(this.#connectionWord, CONNECTION_WORDS[connection].word);
    setText(this.#detail, detailText(state));
    setVisible(this.#retry, retryIn !== null);
    document.title = connection === "live" && people !== null ? `${people} · People Counter` : "— · People Counter";
  }

  /** @param {Summary | null} summary */
  #renderLeftOut(summary) {
    const wanted = summary === null ? [] : leftOut(summary);
    const key = wanted.map(({ state, count }) => `${state} ${count}`).join();
    if (this.#leftOut.dataset.key === key) return;
    this.#leftOut.dataset.key = key;
    this.#leftOut.replaceChildren(
      ...wanted.map(({ state, count }) => {
        const words = `${count.toLocaleString("en")} ${STATE_WORDS[state].word.toLowerCase()}`;
        return html("li", { class: "chip", "data-state": state, "data-left-out": state }, icon(STATE_WORDS[state].icon), words);
      }),
    );
    setVisible(this.#leftOut, wanted.length > 0);
  }
}

/** @param {HeaderState} state @returns {string} */
function scopeText({ connection, summary, cameras }) {
  if (summary === null) return "Waiting for the first numbers";
  if (cameras === 0) return "No camera yet";
  if (summary.live === 0) return `None of ${cameras} ${plural(cameras, "camera", "cameras")} is live`;
  const many = summary.live.toLocaleString("en");
  const noun = plural(summary.live, "camera", "cameras");
  const where = connection === "live" ? `in ${many} live ${noun}` : `in ${many} ${noun} that ${plural(summary.live, "was", "were")} live`;
  return leftOut(summary).length > 0 ? `${where}; left out:` : where;
}

/** @param {HeaderState} state @returns {string} */
function detailText({ connection, summary, asOf, now, retryIn }) {
  const as = summary === null ? "" : `as of ${clockTime(asOf, now)}`;
  if (connection === "live") return as;
  if (connection === "broker-away") return "The server does not hear its broker";
  const next = retryIn === null ? "trying now" : `next try in ${Math.max(1, Math.ceil(retryIn))} s`;
  return as === "" ? next : `${as}, ${next}`;
}
