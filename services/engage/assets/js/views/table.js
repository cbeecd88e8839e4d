/** All cameras as a table, for installations of thousands. */

/** @import { Change, Context, Query, Route, Services } from "../types.js" */

import { html, icon, setAttribute, setIcon } from "../dom.js";
import { Excerpt } from "../excerpt.js";
import { moveFocus } from "../keys.js";
import { visible } from "../range.js";
import { Row } from "../row.js";
import { VirtualList } from "../virtual.js";

/** Height of a row in rem; the style sheet has the same. */
const ROW = 2.75;

/** @type {{ name: string, sort: string, className: string }[]} an empty `sort`: cannot be sorted by */
const COLUMNS = [
  { name: "State", sort: "state", className: "col-state" },
  { name: "Camera", sort: "deviceID", className: "col-name" },
  { name: "People", sort: "count", className: "col-count" },
  { name: "Last minutes", sort: "", className: "col-spark" },
  { name: "Age", sort: "age", className: "col-age" },
  { name: "Labels", sort: "", className: "col-labels" },
  { name: "Notes", sort: "", className: "col-notes" },
];

export class TableView {
  /** @param {Services} services */
  constructor(services) {
    this.#services = services;
    this.#query = services.router.route.query;
    this.#excerpt = new Excerpt(services, this.#rows);
    this.#table.append(html("caption", { class: "unseen" }, "Cameras"), html("thead", {}, this.#head), this.#body);
    this.element = html("section", { class: "table-view", "aria-label": "Table" }, this.#before, this.#table, this.#after);
    this.#observer.observe(this.element);
    this.#body.addEventListener("keydown", (event) => moveFocus(event, 1, (index) => this.#excerpt.focus(index)));
    this.#renderHead();
  }

  #services;
  /** @type {Query} */
  #query;
  #excerpt;
  #before = html("div", { class: "table-space" });
  #after = html("div", { class: "table-space" });
  #table = html("table", { class: "cameras" });
  #head = html("tr", { "aria-rowindex": "1" });
  #body = html("tbody", { tabindex: "-1" });
  #observer = new ResizeObserver(() => this.#services.wishChanged());
  #rows = new VirtualList(this.#body, {
    make: (/** @type {string} */ id) => new Row(id, this.#services),
    placeholder: () => html("tr", { class: "placeholder" }, html("td", { colspan: String(COLUMNS.length) })),
    position: (element, index) => setAttribute(element, "aria-rowindex", String(index + 2)),
  });

  title() {
    return "Table";
  }

  wish() {
    return this.#excerpt.wish();
  }

  /** @param {Route} route @param {Context} context */
  setRoute(route, context) {
    this.#query = route.query;
    this.#excerpt.setRoute(route);
    this.#renderHead();
    this.arrange(context);
  }

  /** @param {Change} change @param {Context} context */
  update(change, context) {
    this.#excerpt.update(change, context);
    this.arrange(context);
  }

  /** @param {Context} context */
  render(context) {
    for (const row of this.#rows.items()) row.render(context);
  }

  /** @param {Context} context */
  arrange(context) {
    const total = this.#excerpt.total();
    if (total === null) return;
    const pitch = ROW * parseFloat(getComputedStyle(document.documentElement).fontSize);
    const { top } = this.element.getBoundingClientRect();
    const head = this.#head.getBoundingClientRect().height;
    const { first, end, firstRow, rows } = visible({
      count: total,
      columns: 1,
      pitch,
      above: -top - head,
      height: window.innerHeight,
    });
    setAttribute(this.#table, "aria-rowcount", String(total + 1));
    this.#before.style.height = `${firstRow * pitch}px`;
    this.#after.style.height = `${(rows - end) * pitch}px`;
    this.#excerpt.show({ first, end, total }, context);
  }

  setAwake() {}

  leave() {
    this.#observer.disconnect();
    this.#rows.clear();
  }

  /** The headings are kept, so that the one that was pressed keeps the focus. */
  #renderHead() {
    const { sort } = this.#query;
    COLUMNS.forEach((column, index) => {
      const cell = this.#head.children[index] ?? this.#head.appendChild(this.#heading(column));
      const direction = sort === column.sort ? "ascending" : sort === `-${column.sort}` ? "descending" : null;
      setAttribute(cell, "aria-sort", column.sort === "" ? null : direction);
      const arrow = cell.querySelector(".icon");
      if (arrow !== null) setIcon(/** @type {SVGElement} */ (arrow), direction === null ? "sort" : direction);
    });
  }

  /** @param {typeof COLUMNS[number]} column */
  #heading({ name, sort, className }) {
    const cell = html("th", { scope: "col", class: className });
    if (sort === "") {
      cell.textContent = name;
      return cell;
    }
    const button = html("button", { type: "button", class: "sort" }, name, icon("sort"));
    button.addEventListener("click", () => this.#sortBy(sort));
    cell.append(button);
    return cell;
  }

  /** The most people and the worst states first, names and ages from the start. @param {string} key */
  #sortBy(key) {
    const query = this.#query;
    const [one, other] = key === "count" || key === "state" ? [`-${key}`, key] : [key, `-${key}`];
    this.#services.router.amend({ query: { ...query, sort: query.sort === one ? other : one } });
  }
}
