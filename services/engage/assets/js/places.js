/** Who comes back to a list finds it where it was left, with the focus on the camera that was looked at. */

/** Without the place by then, the list has become another one. */
const PATIENCE_MS = 3000;

export class Places {
  /** @param {HTMLElement} main gets the focus when there is nothing better */
  constructor(main) {
    this.#main = main;
    history.scrollRestoration = "manual";
  }

  #main;
  /** @type {Map<string, { scroll: number, focus: string }>} */
  #left = new Map();
  /** @type {{ scroll: number, focus: string, until: number } | null} */
  #wanted = null;

  /** @param {string} view */
  leave(view) {
    this.#wanted = null;
    this.#left.set(view, { scroll: window.scrollY, focus: document.activeElement?.id ?? "" });
    // the views of single cameras come and go
    const [oldest] = this.#left.keys();
    if (this.#left.size > 20) this.#left.delete(oldest);
  }

  /** @param {string} view @param {string} from the view that was left, "device …" for a camera's own */
  enter(view, from) {
    const place = this.#left.get(view);
    this.#main.focus({ preventScroll: true });
    if (place === undefined) {
      window.scrollTo(0, 0);
      return;
    }
    const focus = from.startsWith("device ") ? from.replace(" ", "-") : place.focus;
    this.#wanted = { scroll: place.scroll, focus, until: performance.now() + PATIENCE_MS };
  }

  /** To be called when something was arranged: the place may be there by now. */
  settle() {
    const wanted = this.#wanted;
    if (wanted === null) return;
    const room = document.documentElement.scrollHeight - window.innerHeight;
    if (room >= wanted.scroll) window.scrollTo(0, wanted.scroll);
    const element = wanted.focus === "" ? this.#main : document.getElementById(wanted.focus);
    if (element !== null && document.activeElement === this.#main) element.focus({ preventScroll: true });
    const found = room >= wanted.scroll && element !== null;
    if (found || performance.now() > wanted.until) this.#wanted = null;
  }
}
