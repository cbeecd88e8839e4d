/** A camera's labels. */

/** @import { Device, Services } from "./types.js" */

import { html, routeLink } from "./dom.js";
import { withLabel } from "./route.js";

/** There is no room for more beside a camera in a list; its own view has them all. */
const MOST_IN_LISTS = 3;

/** @param {Device} device @returns {HTMLElement[]} */
export function labelItems({ labels }) {
  return labels.slice(0, MOST_IN_LISTS).map(([key, value]) => html("li", {}, ...words(key, value)));
}

/** The same as links to all cameras with that label. @param {Device} device @param {Services} services */
export function labelLinks({ labels }, { router }) {
  const { list, query } = router.route;
  return labels.map(([key, value]) => {
    const href = router.href({ view: list, device: null, query: withLabel(query, [key, value]) });
    return html("li", {}, routeLink({ href }, ...words(key, value)));
  });
}

/** @param {string} key @param {string} value */
function words(key, value) {
  return [html("span", { class: "label-key" }, key), ` ${value}`];
}

/** @param {Device | null} before @param {Device} after */
export function sameLabels(before, after) {
  return before !== null && JSON.stringify(before.labels) === JSON.stringify(after.labels);
}
