/** Asks who looks, in place of everything else. */

/** @import { Session } from "./types.js" */

import { byId, setText, setVisible } from "./dom.js";
import { RequestError } from "./request.js";
import { login } from "./session.js";

export class LoginForm {
  /** @param {(session: Session) => void} done */
  constructor(done) {
    this.#done = done;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit();
    });
  }

  #done;
  #section = byId("login");
  #form = /** @type {HTMLFormElement} */ (byId("login-form"));
  #name = /** @type {HTMLInputElement} */ (byId("login-name"));
  #password = /** @type {HTMLInputElement} */ (byId("login-password"));
  #button = /** @type {HTMLButtonElement} */ (byId("login-button"));
  #problem = byId("login-problem");

  /** @param {boolean} visible */
  show(visible) {
    const appears = visible && this.#section.hidden;
    setVisible(this.#section, visible);
    if (appears) this.#name.focus();
  }

  async #submit() {
    this.#button.disabled = true;
    setText(this.#problem, "");
    try {
      const session = await login(this.#name.value, this.#password.value);
      this.#form.reset();
      this.#done(session);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      setText(this.#problem, `Not logged in: ${error.message}`);
      this.#password.select();
    } finally {
      this.#button.disabled = false;
    }
  }
}
