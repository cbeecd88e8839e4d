/** Asks who looks, in place of everything else. */

/** @import { Provider, Session } from "./types.js" */

import { byId, setAttribute, setText, setVisible } from "./dom.js";
import { RequestError } from "./request.js";
import { login, loginAddress, loginProblem } from "./session.js";

export class LoginForm {
  /** @param {(session: Session) => void} done */
  constructor(done) {
    this.#done = done;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit();
    });
    // the page may show something else by then
    this.#link.addEventListener("click", () => this.#point());
    this.#explain();
  }

  #done;
  #section = byId("login");
  #form = /** @type {HTMLFormElement} */ (byId("login-form"));
  #name = /** @type {HTMLInputElement} */ (byId("login-name"));
  #password = /** @type {HTMLInputElement} */ (byId("login-password"));
  #button = /** @type {HTMLButtonElement} */ (byId("login-button"));
  #problem = byId("login-problem");
  #link = /** @type {HTMLAnchorElement} */ (byId("login-link"));
  /** @type {Provider | null} */
  #provider = null;

  /** @param {boolean} visible @param {Provider | null} provider */
  show(visible, provider) {
    const appears = visible && this.#section.hidden;
    this.#provider = provider;
    this.#point();
    setVisible(this.#form, !provider?.only);
    setVisible(byId("login-provider"), provider !== null);
    setVisible(this.#section, visible);
    if (appears) (provider?.only ? this.#link : this.#name).focus();
  }

  #point() {
    if (this.#provider === null) return;
    setText(this.#link, `Log in with ${this.#provider.name}`);
    setAttribute(this.#link, "href", loginAddress(this.#provider, location.search));
  }

  /** The provider sent the browser back without a login. */
  #explain() {
    const problem = loginProblem(location.hash);
    if (problem === null) return;
    setText(this.#problem, problem);
    history.replaceState(null, "", `${location.pathname}${location.search}`);
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
