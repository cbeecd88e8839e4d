/** Filters and sorts devices as the server does with a subscription, for servers and moments without one. Pure. */

/** @import { Device, Query } from "./types.js" */

import { STATES } from "./device.js";

/** cam-2 before cam-10. */
const byName = new Intl.Collator("en", { numeric: true });

/** @param {Iterable<Device>} devices @param {Query} query @returns {string[]} ids in order */
export function arrange(devices, query) {
  const found = [...devices].filter((device) => matches(device, query));
  return found.sort(comparison(query.sort)).map(({ deviceID }) => deviceID);
}

/** @param {Device} device @param {Query} query */
export function matches({ deviceID, state, labels }, query) {
  if (query.states.length > 0 && !query.states.includes(state)) return false;
  if (!query.labels.every(([key, value]) => labels.some(([k, v]) => k === key && v === value))) return false;
  const q = query.q.trim().toLowerCase();
  return q === "" || [deviceID, ...labels.flat()].some((text) => text.toLowerCase().includes(q));
}

/** @param {string} sort @returns {(a: Device, b: Device) => number} */
function comparison(sort) {
  const key = sort.replace(/^-/, "");
  const direction = sort.startsWith("-") ? -1 : 1;
  return (a, b) => {
    const order = key === "deviceID" ? byName.compare(a.deviceID, b.deviceID) : compareBy(key, a, b, direction);
    return key === "deviceID" ? direction * order : order || byName.compare(a.deviceID, b.deviceID);
  };
}

/** What is not known comes last in either direction. @param {string} key @param {Device} a @param {Device} b @param {number} direction */
function compareBy(key, a, b, direction) {
  const [x, y] = [valueOf(key, a), valueOf(key, b)];
  if (x === null || y === null) return Number(x === null) - Number(y === null);
  return direction * (x - y);
}

/** @param {string} key @param {Device} device @returns {number | null} */
function valueOf(key, device) {
  if (key === "state") return STATES.indexOf(device.state);
  if (key === "count") return device.count;
  return device.countedAt === null ? null : -device.countedAt;
}
