/** The address bar: reads the route from it, and writes it there. */

/** @import { Route } from "./types.js" */

import { formatRoute, parseRoute } from "./route.js";

export class Router {
  /** @param {(route: Route) => void} changed */
  constructor(changed) {
    this.#changed = changed;
    this.route = parseRoute(location.search);
    window.addEventListener("popstate", () => this.#read());
    document.addEventListener("click", (event) => this.#clicked(event));
  }

  #changed;

  /** @param {Partial<Route>} part @returns {string} the address of the present route with `part` in it */
  href(part) {
    return `${location.pathname}${formatRoute({ ...this.route, ...part })}`;
  }

  /** A new entry of the browser's history. @param {Partial<Route>} part */
  go(part) {
    this.#write(part, "pushState");
  }

  /** The same entry: for what changes with every key. @param {Partial<Route>} part */
  amend(part) {
    this.#write(part, "replaceState");
  }

  /** @param {Partial<Route>} part @param {"pushState" | "replaceState"} how */
  #write(part, how) {
    history[how](null, "", this.href(part));
    this.#read();
  }

  #read() {
    this.route = parseRoute(location.search);
    this.#changed(this.route);
  }

  /** Links within the page are followed without loading it again. @param {MouseEvent} event */
  #clicked(event) {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest("a[data-route]") : null;
    if (!(link instanceof HTMLAnchorElement) || link.origin !== location.origin) return;
    event.preventDefault();
    history.pushState(null, "", `${link.pathname}${link.search}`);
    this.#read();
  }
}
