/** The sentences below a count. */

/** @import { Note } from "./wording.js" */

import { html, icon, setAttribute, setIcon, setText, setVisible } from "./dom.js";

export class NoteList {
  element = html("ul", { class: "notes", "aria-label": "Notes", hidden: "" });

  /** Keeps the elements and changes their words: a note with an age in it changes every second. @param {Note[]} list */
  show(list) {
    const { element } = this;
    while (element.children.length > list.length) element.lastElementChild?.remove();
    while (element.children.length < list.length) element.append(html("li", {}, icon("info"), html("span")));
    list.forEach((note, index) => {
      const item = element.children[index];
      setAttribute(item, "data-kind", note.kind);
      setIcon(/** @type {SVGElement} */ (item.firstElementChild), note.icon);
      setText(/** @type {Element} */ (item.lastElementChild), note.text);
    });
    setVisible(element, list.length > 0);
  }
}
