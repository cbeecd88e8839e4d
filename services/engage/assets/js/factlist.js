/** Names and values below each other. */

import { html, setText } from "./dom.js";

export class FactList {
  element = html("dl", { class: "facts" });
  #names = "";

  /** @param {[string, string][]} facts */
  show(facts) {
    const names = facts.map(([name]) => name).join("\n");
    if (names !== this.#names) {
      this.#names = names;
      this.element.replaceChildren(...facts.flatMap(([name]) => [html("dt", {}, name), html("dd")]));
    }
    const values = this.element.querySelectorAll("dd");
    facts.forEach(([, value], index) => setText(values[index], value));
  }
}
