/** Small helpers around the DOM. Everything shown is set as text or as an attribute, never parsed as markup. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function html(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/**
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {...Node} children
 * @returns {SVGElementTagNameMap[T]}
 */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** An icon of the sprite in index.html, as decoration: the words beside it say the same. @param {string} name */
export function icon(name) {
  return svg("svg", { class: "icon", "aria-hidden": "true" }, svg("use", { href: `#icon-${name}` }));
}

/** @param {SVGElement} element made by `icon` @param {string} name */
export function setIcon(element, name) {
  const use = element.firstElementChild;
  if (use !== null) setAttribute(use, "href", `#icon-${name}`);
}

/** A link within the page, followed without loading it again. @param {Record<string, string>} attributes @param {...(Node | string)} children */
export function routeLink(attributes, ...children) {
  return html("a", { "data-route": "", ...attributes }, ...children);
}

/** Touches the DOM only when the text differs. @param {Node} node @param {string} text */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @param {Element} element @param {string} name @param {string | null} value null removes it */
export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** @param {HTMLElement} element @param {boolean} visible */
export function setVisible(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}

/** For parts that are rare: what is not needed is not in the page at all. @param {Element} parent @param {Element} child @param {boolean} present */
export function setPresent(parent, child, present) {
  if (!present) child.remove();
  else if (child.parentNode !== parent) parent.append(child);
}

/** @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no element #${id}`);
  return element;
}
