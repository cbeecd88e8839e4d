/**
 * The bar on top: the total, what it is made of, and whether the page is connected.
 *
 * From the outside: `data-connection` on the root element, `data-total` (empty when unknown) on the number,
 * `data-left-out` with the state on each reason.
 */

/** @import { Connection, Session, Summary } from "./types.js" */
/** @import { Router } from "./router.js" */

import { byId, html, icon, routeLink, setAttribute, setIcon, setText, setVisible } from "./dom.js";
import { clockTime, figure, plural } from "./format.js";
import { CONNECTION_WORDS, STATE_WORDS, leftOut, total } from "./wording.js";

/**
 * @typedef {object} HeaderState
 * @property {Connection} connection
 * @property {Summary | null} summary
 * @property {number} asOf  the server's time of the last message
 * @property {number} now  the server's time
 * @property {number | null} retryIn  seconds; null while no attempt is scheduled
 * @property {number} rate  counts a second that arrive here
 * @property {string} title  of the view
 */

/**
 * @typedef {object} Actions
 * @property {() => void} retry
 * @property {() => void} pause  or go on
 * @property {() => void} logout
 */

export class Header {
  /** @param {Router} router @param {Actions} actions */
  constructor(router, { retry, pause, logout }) {
    this.#router = router;
    byId("connection-state").prepend(this.#connectionIcon);
    this.#pause.prepend(this.#pauseIcon);
    this.#retry.addEventListener("click", retry);
    this.#pause.addEventListener("click", pause);
    byId("logout").addEventListener("click", logout);
  }

  #router;
  #total = byId("total");
  #caption = byId("total-caption");
  #scope = byId("scope");
  #leftOut = byId("left-out");
  #connectionIcon = icon("stale");
  #connectionWord = byId("connection-word");
  #detail = byId("connection-detail");
  #retry = byId("retry");
  #pause = byId("pause");
  #pauseIcon = icon("pause");
  #leftOutKey = "";

  /** @param {Session | null} session */
  setSession(session) {
    const user = session?.user ?? null;
    setVisible(byId("user"), user !== null);
    setText(byId("user-name"), user === null ? "" : user.name);
    setAttribute(byId("user-name"), "title", user === null ? null : `Logged in as ${user.role}`);
  }

  /** @param {HeaderState} state */
  render(state) {
    const { connection, summary, retryIn } = state;
    const people = summary === null ? null : total(summary);
    setAttribute(document.documentElement, "data-connection", connection);
    setAttribute(this.#total, "data-total", people === null ? "" : String(people));
    setText(this.#total, people === null ? "—" : people.toLocaleString("en"));
    setText(this.#caption, connection === "live" || people === null ? "people now" : "last total");
    setIcon(this.#pauseIcon, connection === "paused" ? "play" : "pause");
    setText(byId("pause-word"), connection === "paused" ? "Go on" : "Pause");
    setText(this.#scope, scopeText(state));
    this.#renderLeftOut(summary);
    setIcon(this.#connectionIcon, CONNECTION_WORDS[connection].icon);
    setText(this.#connectionWord, CONNECTION_WORDS[connection].word);
    setText(this.#detail, detailText(state));
    setVisible(this.#retry, retryIn !== null);
    const number = connection === "live" && people !== null ? people.toLocaleString("en") : "—";
    document.title = `${number} · ${state.title} · People Counter`;
  }

  /** @param {Summary | null} summary */
  #renderLeftOut(summary) {
    const wanted = summary === null ? [] : leftOut(summary);
    const key = `${wanted.map(({ state, count }) => `${state} ${count}`).join()} ${location.search}`;
    if (this.#leftOutKey === key) return;
    this.#leftOutKey = key;
    this.#leftOut.replaceChildren(
      ...wanted.map(({ state, count }) => {
        const words = `${count.toLocaleString("en")} ${STATE_WORDS[state].word.toLowerCase()}`;
        const { query, list } = this.#router.route;
        const href = this.#router.href({ view: list, device: null, query: { ...query, states: [state] } });
        const chip = { class: "chip", href, "data-state": state, "data-left-out": state };
        return html("li", {}, routeLink(chip, icon(STATE_WORDS[state].icon), words));
      }),
    );
    setVisible(this.#leftOut, wanted.length > 0);
  }
}

/** @param {HeaderState} state @returns {string} */
function scopeText({ connection, summary }) {
  if (summary === null) return "Waiting for the first numbers";
  const cameras = summary.live + leftOut(summary).reduce((sum, { count }) => sum + count, 0);
  if (cameras === 0) return "No camera yet";
  if (summary.live === 0) return `None of ${cameras.toLocaleString("en")} ${plural(cameras, "camera", "cameras")} is live`;
  const many = summary.live.toLocaleString("en");
  const noun = plural(summary.live, "camera", "cameras");
  const where = connection === "live" ? `in ${many} live ${noun}` : `in ${many} ${noun} that ${plural(summary.live, "was", "were")} live`;
  return leftOut(summary).length > 0 ? `${where}; left out:` : where;
}

/** @param {HeaderState} state @returns {string} */
function detailText({ connection, summary, asOf, now, retryIn, rate }) {
  const as = summary === null ? "" : `as of ${clockTime(asOf, now)}`;
  if (connection === "live") return `${figure(rate)} ${figure(rate) === "1" ? "update" : "updates"}/s`;
  if (connection === "paused") return as;
  if (connection === "broker-away") return "The server does not hear its broker";
  const next = retryIn === null ? "trying now" : `next try in ${Math.max(1, Math.ceil(retryIn))} s`;
  return as === "" ? next : `${as}, ${next}`;
}
