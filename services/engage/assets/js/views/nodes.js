/** The nodes that count and those that show: how fast, with which model, and since when. */

/** @import { Context, Services, ServiceNode, Wish } from "../types.js" */

import { html, icon, setText, setVisible } from "../dom.js";
import { age, duration, figure } from "../format.js";
import { readNodes } from "../nodes.js";
import { RequestError, requestJSON } from "../request.js";

/** Nodes report once a minute, and when something changes. */
const INTERVAL_SECONDS = 5;

const HEADINGS = ["Node", "Service", "State", "Pictures/s", "Time per picture", "Queue", "Failures", "Model", "Running for", "Version", "Heard"];

/** The column that is more than text. */
const STATE = HEADINGS.indexOf("State");

export class NodesView {
  /** @param {Services} services */
  constructor(services) {
    this.#services = services;
    const head = html("tr", {}, ...HEADINGS.map((name) => html("th", { scope: "col" }, name)));
    this.#table = html("table", { class: "nodes" }, html("caption", { class: "unseen" }, "Nodes"), html("thead", {}, head), this.#body);
    const scroller = html("div", { class: "table-scroll", tabindex: "0", role: "region", "aria-label": "Nodes" }, this.#table);
    this.element = html("section", { class: "nodes-view" }, this.#problem, this.#none, scroller);
    this.#scroller = scroller;
  }

  #services;
  #problem = html("p", { class: "message", hidden: "" });
  #none = html("p", { class: "message", hidden: "" }, "No node has reported yet. Start people-counter-inference with the same broker: without it nothing is counted.");
  #body = html("tbody");
  #table;
  #scroller;
  /** @type {ServiceNode[] | null} */
  #nodes = null;
  #askedAt = -Infinity;
  #answeredAt = 0;
  #leaving = new AbortController();
  #awake = true;

  title() {
    return "Nodes";
  }

  /** The sums come with every message; no camera is looked at. @returns {Wish} */
  wish() {
    return { devices: [] };
  }

  setRoute() {}

  update() {}

  arrange() {}

  /** @param {Context} context */
  render(context) {
    const now = this.#services.stopwatch.now();
    if (this.#awake && context.connection !== "paused" && now - this.#askedAt >= INTERVAL_SECONDS) {
      this.#askedAt = now;
      void this.#ask();
    }
    this.#show(context);
  }

  /** @param {boolean} awake */
  setAwake(awake) {
    this.#awake = awake;
  }

  leave() {
    this.#leaving.abort();
  }

  async #ask() {
    try {
      const answer = await requestJSON("api/v1/nodes", { cancelled: this.#leaving.signal });
      this.#nodes = readNodes(answer.nodes);
      this.#answeredAt = this.#services.stopwatch.now();
      setVisible(this.#problem, false);
    } catch (error) {
      if (this.#leaving.signal.aborted) return;
      if (!(error instanceof RequestError)) throw error;
      setText(this.#problem, `The nodes are not known at present: ${error.message}.`);
      setVisible(this.#problem, true);
    }
    if (!this.#leaving.signal.aborted) this.#show(this.#services.context());
  }

  /** @param {Context} context */
  #show({ now }) {
    const nodes = this.#nodes ?? [];
    setVisible(this.#none, this.#nodes !== null && nodes.length === 0);
    setVisible(this.#scroller, nodes.length > 0);
    while (this.#body.children.length > nodes.length) this.#body.lastElementChild?.remove();
    while (this.#body.children.length < nodes.length) this.#body.append(emptyRow());
    const elapsed = this.#services.stopwatch.now() - this.#answeredAt;
    nodes.forEach((node, index) => fill(this.#body.children[index], node, now, elapsed));
  }
}

function emptyRow() {
  const cells = HEADINGS.slice(1).map(() => html("td"));
  return html("tr", {}, html("th", { scope: "row" }), ...cells);
}

/** @param {Element} row @param {ServiceNode} node @param {number} now @param {number} elapsed since the answer */
function fill(row, node, now, elapsed) {
  const online = node.state === "online";
  const { durationMs, meanDurationMs, model, startedTimestamp } = node;
  row.setAttribute("data-node", node.instance);
  row.setAttribute("data-online", String(online));
  const texts = [
    node.instance,
    node.service,
    online ? "Online" : "Offline",
    known(node.framesPerSecond, figure),
    timePerPicture(durationMs, meanDurationMs),
    known(node.queue, String),
    known(node.failures, (failures) => failures.toLocaleString("en")),
    model?.name ?? "",
    online && now > 0 ? known(startedTimestamp, (started) => duration(now - started)) : "",
    node.version ?? "",
    known(node.ageSeconds, (seconds) => age(seconds + elapsed)),
  ];
  texts.forEach((text, index) => {
    const cell = row.children[index];
    if (index !== STATE) setText(cell, text);
    else if (cell.textContent !== text) cell.replaceChildren(stateChip(online, text));
  });
}

/** @param {boolean} online @param {string} word */
function stateChip(online, word) {
  const name = online ? "live" : "offline";
  return html("span", { class: "chip", "data-state": name }, icon(name), word);
}

/** @param {number | null} value @param {(value: number) => string} words */
function known(value, words) {
  return value === null ? "" : words(value);
}

/** @param {ServiceNode["durationMs"]} durationMs @param {number | null} mean */
function timePerPicture({ p50, p99 }, mean) {
  if (p50 !== null) return `${figure(p50)} ms${p99 === null ? "" : `, at worst ${figure(p99)} ms`}`;
  return mean === null ? "" : `${figure(mean)} ms on average`;
}
