/** Moving among the cameras with the arrow keys. */

/**
 * @param {KeyboardEvent} event
 * @param {number} columns
 * @param {(index: number) => boolean} focus whether there was something to focus at that place
 */
export function moveFocus(event, columns, focus) {
  const step = steps(columns)[event.key];
  if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
  const item = event.target instanceof Element ? event.target.closest("[data-index]") : null;
  if (item === null) return;
  if (focus(Number(item.getAttribute("data-index")) + step)) event.preventDefault();
}

/** @param {number} columns @returns {Record<string, number>} */
function steps(columns) {
  return { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
}
