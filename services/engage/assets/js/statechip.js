/** What a camera's state is called: shape, word and colour say the same, none of them alone. */

/** @import { ShownState } from "./types.js" */

import { html, icon, setAttribute, setIcon, setText } from "./dom.js";
import { STATE_WORDS } from "./wording.js";

export class StateChip {
  #icon = icon("unknown");
  #word = document.createTextNode("");
  element = html("span", { class: "chip" }, this.#icon, this.#word);

  /** @param {ShownState} state */
  show(state) {
    setAttribute(this.element, "data-state", state);
    setIcon(this.#icon, STATE_WORDS[state].icon);
    setText(this.#word, STATE_WORDS[state].word);
  }
}
