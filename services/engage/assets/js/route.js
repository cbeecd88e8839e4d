/** The URL as a route and back. Pure; defaults are left out, so that a plain address stays plain. */

/** @import { Density, DeviceState, Query, Route, ViewName } from "./types.js" */

import { STATES } from "./device.js";

/** What can be sorted by. */
export const SORTS = ["deviceID", "count", "age", "state"];

/** @type {readonly Density[]} */
export const DENSITIES = ["compact", "normal", "large"];

/** What the server searches for at most, in bytes of UTF-8, and how many labels. */
const LONGEST_TEXT = 128;
const MOST_LABELS = 8;
const KIOSK_SECONDS = { shortest: 2, normal: 8, longest: 600 };

/** What `deviceID` may be. */
const DEVICE_ID = /^[A-Za-z0-9_-]{1,64}$/;

/** @param {string} search with or without the question mark @returns {Route} */
export function parseRoute(search) {
  const values = new URLSearchParams(search);
  const device = values.get("device");
  const known = device !== null && DEVICE_ID.test(device) ? device : null;
  const list = values.get("view") === "table" ? "table" : "wall";
  return {
    view: viewOf(values, known, list),
    device: known,
    query: parseQuery(values),
    density: DENSITIES.find((density) => density === values.get("density")) ?? "normal",
    seconds: kioskSeconds(values.get("kiosk")),
    list,
  };
}

/** @param {URLSearchParams} values @param {string | null} device @param {ViewName} list @returns {ViewName} */
function viewOf(values, device, list) {
  if (values.has("kiosk")) return "kiosk";
  if (device !== null) return "device";
  return values.get("view") === "nodes" ? "nodes" : list;
}

/** @param {URLSearchParams} values @returns {Query} */
function parseQuery(values) {
  const states = (values.get("state") ?? "").split(",");
  const sort = values.get("sort") ?? "";
  return {
    q: shortened(values.get("q") ?? ""),
    states: STATES.filter((state) => states.includes(state)),
    labels: values.getAll("label").map(parseLabel).filter((label) => label !== null).slice(0, MOST_LABELS),
    sort: SORTS.includes(sort.replace(/^-/, "")) ? sort : "deviceID",
  };
}

/** @param {string} text `key:value` @returns {[string, string] | null} */
export function parseLabel(text) {
  const colon = text.indexOf(":");
  const [key, value] = [text.slice(0, colon).trim(), text.slice(colon + 1).trim()];
  return colon < 1 || key === "" || value === "" || !fits(key) || !fits(value) ? null : [key, value];
}

/** @param {string} text */
const fits = (text) => new TextEncoder().encode(text).length <= LONGEST_TEXT;

/** @param {string} text @returns {string} */
function shortened(text) {
  let characters = [...text].slice(0, LONGEST_TEXT);
  while (!fits(characters.join(""))) characters = characters.slice(0, -1);
  return characters.join("");
}

/** @param {string | null} text @returns {number} */
function kioskSeconds(text) {
  const { shortest, normal, longest } = KIOSK_SECONDS;
  const seconds = Number(text ?? "");
  return seconds > 0 ? Math.min(longest, Math.max(shortest, seconds)) : normal;
}

/** @param {Route} route @returns {string} "" or "?…" */
export function formatRoute(route) {
  const values = new URLSearchParams();
  if (route.view === "nodes") values.set("view", "nodes");
  else if (route.list === "table" && route.view !== "wall") values.set("view", "table");
  if (route.view === "device" && route.device !== null) values.set("device", route.device);
  for (const [key, value] of queryValues(route.query)) values.append(key, value);
  if (route.density !== "normal") values.set("density", route.density);
  if (route.view !== "kiosk") return question(values.toString());
  const seconds = route.seconds === KIOSK_SECONDS.normal ? "kiosk" : `kiosk=${route.seconds}`;
  return question([seconds, values.toString()].filter((part) => part !== "").join("&"));
}

/** @param {string} values */
const question = (values) => (values === "" ? "" : `?${values}`);

/** The query as the parameters that REST takes too. @param {Query} query @returns {[string, string][]} */
export function queryValues({ q, states, labels, sort }) {
  /** @type {[string, string][]} */
  const values = [];
  if (q !== "") values.push(["q", q]);
  if (states.length > 0) values.push(["state", states.join(",")]);
  for (const [key, value] of labels) values.push(["label", `${key}:${value}`]);
  if (sort !== "deviceID") values.push(["sort", sort]);
  return values;
}

/** Whether a query leaves cameras out. @param {Query} query */
export function isFiltered({ q, states, labels }) {
  return q !== "" || states.length > 0 || labels.length > 0;
}

/** @param {Query} query @param {DeviceState} state @returns {Query} with the state added or taken out */
export function toggleState(query, state) {
  const chosen = new Set(query.states);
  if (!chosen.delete(state)) chosen.add(state);
  return { ...query, states: STATES.filter((known) => chosen.has(known)) };
}

/** A key has one value at a time. @param {Query} query @param {[string, string]} label @returns {Query} */
export function withLabel(query, label) {
  const others = query.labels.filter(([key]) => key !== label[0]);
  return { ...query, labels: [...others, label].slice(-MOST_LABELS) };
}

/** @param {Query} query @param {[string, string]} label @returns {Query} */
export function withoutLabel(query, [key, value]) {
  return { ...query, labels: query.labels.filter(([k, v]) => k !== key || v !== value) };
}
