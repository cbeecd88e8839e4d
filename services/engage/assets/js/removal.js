/** Takes a camera that is no more out of the installation: asks once more, then tells the server. */

import { html, setText, setVisible } from "./dom.js";
import { RequestError, request } from "./request.js";

/** The question is withdrawn after this time. */
const QUESTION_MS = 6000;

export class Removal {
  /** @param {string} deviceID */
  constructor(deviceID) {
    this.#path = `api/v1/devices/${encodeURIComponent(deviceID)}`;
    this.#button.addEventListener("click", () => this.#pressed());
  }

  #path;
  #button = html("button", { type: "button" }, "Remove…");
  #problem = html("span", { class: "problem", role: "alert" });
  element = html("div", { class: "removal", hidden: "" }, this.#problem, this.#button);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #question;

  /** Only administrators may. @param {boolean} allowed */
  allow(allowed) {
    setVisible(this.element, allowed);
  }

  #pressed() {
    if (this.#question !== undefined) {
      this.#withdraw();
      void this.#remove();
      return;
    }
    setText(this.#problem, "");
    setText(this.#button, "Really remove this camera");
    this.#question = setTimeout(() => this.#withdraw(), QUESTION_MS);
  }

  #withdraw() {
    clearTimeout(this.#question);
    this.#question = undefined;
    setText(this.#button, "Remove…");
  }

  async #remove() {
    try {
      await request(this.#path, { method: "DELETE" });
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      setText(this.#problem, `Not removed: ${error.message}`);
    }
  }
}
