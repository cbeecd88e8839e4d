/**
 * What the page says, in one place: which words, which icon, and what may be claimed at all.
 */

/** @import { Connection, Context, Device, ShownState, Summary } from "./types.js" */

import { age, clockTime, duration, interval, plural } from "./format.js";

/** @type {Record<ShownState, { word: string, icon: string }>} */
export const STATE_WORDS = {
  live: { word: "Live", icon: "live" },
  stale: { word: "Stale", icon: "stale" },
  offline: { word: "Offline", icon: "offline" },
  failing: { word: "Failing", icon: "failing" },
  unknown: { word: "Unknown", icon: "unknown" },
  disconnected: { word: "Not live", icon: "disconnected" },
  paused: { word: "Paused", icon: "pause" },
};

/** @type {Record<Connection, { word: string, icon: string }>} */
export const CONNECTION_WORDS = {
  connecting: { word: "Connecting", icon: "stale" },
  live: { word: "Live", icon: "live" },
  reconnecting: { word: "Reconnecting", icon: "disconnected" },
  "broker-away": { word: "Broker away", icon: "offline" },
  paused: { word: "Paused", icon: "pause" },
};

/**
 * @param {Device} device @param {Connection} connection
 * @returns {ShownState}
 */
export function shownState(device, connection) {
  if (device.state !== "live" || connection === "live") return device.state;
  return connection === "paused" ? "paused" : "disconnected";
}

/** While the page is paused an age would soon be wrong, a time is not. @param {Device} device @param {Context} context @returns {string} */
export function countAge({ count, countedAt }, { connection, now }) {
  if (count === null) return "";
  if (countedAt === null) return "age not known";
  return connection === "paused" ? `at ${clockTime(countedAt, now)}` : age(now - countedAt);
}

/** @param {Device} device @param {ShownState} shown @returns {string} what stands beside the number */
export function countCaption(device, shown) {
  if (device.count === null) return "not counted yet";
  return shown === "live" ? plural(device.count, "person", "people") : "last count";
}

/**
 * @typedef {{ kind: "fault" | "warning" | "info", icon: string, text: string }} Note
 */

/**
 * The sentences below a count: why it is not live, and whatever else a person should know of this camera.
 * @param {Device} device @param {ShownState} shown @param {Context} context
 * @returns {Note[]}
 */
export function notes(device, shown, context) {
  return [...stateNotes(device, shown, context), ...extraNotes(device)];
}

/** @param {Device} device @param {ShownState} shown @param {Context} context @returns {Note[]} */
function stateNotes(device, shown, { now }) {
  const since = device.countedAt === null ? null : Math.max(0, now - device.countedAt);
  const due = device.cadenceSeconds === null ? "" : `, though one is due every ${interval(device.cadenceSeconds)}`;
  switch (shown) {
    case "stale":
      return [{ kind: "warning", icon: "stale", text: `No result for ${since === null ? "too long" : duration(since)}${due}` }];
    case "offline":
      return [{ kind: "info", icon: "offline", text: "The camera has lost its connection or was switched off" }];
    case "failing":
      return [{ kind: "fault", icon: "failing", text: failureText(device, now) }];
    case "unknown":
      return [{ kind: "info", icon: "unknown", text: "No picture of this camera has been analysed yet" }];
    case "live":
      return device.unchanged === null ? [] : [{ kind: "info", icon: "info", text: "The scene is still: nothing has changed since this count" }];
    default:
      return [];
  }
}

/** @param {Device} device @param {number} now */
function failureText({ failure }, now) {
  if (failure === null) return "The newest picture could not be analysed";
  const when = failure.failedTimestamp === null ? "" : `, ${age(now - failure.failedTimestamp)}`;
  return `Analysis failed (${failure.reason})${when}${failure.message === "" ? "" : `: ${failure.message}`}`;
}

/** @param {Device} device @returns {Note[]} */
function extraNotes(device) {
  /** @type {Note[]} */
  const found = [];
  if (device.problem !== null) found.push({ kind: "warning", icon: "failing", text: device.problem });
  if (device.clockOffsetSeconds !== null) {
    const apart = duration(Math.abs(device.clockOffsetSeconds));
    // a picture that waited looks the same as a clock that is behind
    const behind = `The camera's clock is ${apart} behind, or its picture waited that long`;
    const text = device.clockOffsetSeconds < 0 ? behind : `The camera's clock is ${apart} ahead`;
    found.push({ kind: "warning", icon: "clock", text });
  }
  if (device.gatewayAheadSeconds !== null) {
    const text = `The clock of the gateway that counts is ${duration(device.gatewayAheadSeconds)} ahead`;
    found.push({ kind: "warning", icon: "clock", text });
  }
  return found;
}

/**
 * Why a device has no picture to show.
 * @param {Device} device
 * @returns {{ icon: string, text: string }}
 */
export function noPicture(device) {
  if (device.picture === "withheld") return { icon: "withheld", text: "Pictures of this camera are withheld: counts only" };
  if (device.frameID === null) return { icon: "camera", text: "No picture yet" };
  return { icon: "no-image", text: "No picture was kept for this count" };
}

/** @param {Summary} summary @returns {{ state: "stale" | "offline" | "failing" | "unknown", count: number }[]} */
export function leftOut(summary) {
  return /** @type {const} */ (["failing", "offline", "stale", "unknown"])
    .map((state) => ({ state, count: summary[state] }))
    .filter(({ count }) => count > 0);
}

/** @param {Summary} summary @returns {number | null} null: nothing live to add up, which is not zero people */
export function total(summary) {
  return summary.live > 0 ? summary.people : null;
}

/** One sentence for a screen reader. @param {Summary} summary @returns {string} */
export function spokenTotal(summary) {
  const people = total(summary);
  const left = leftOut(summary).map(({ state, count }) => `${count} ${state}`);
  const without = left.length > 0 ? `; left out: ${left.join(", ")}` : "";
  if (people === null) return `No live camera${without}`;
  const where = `in ${summary.live} live ${plural(summary.live, "camera", "cameras")}`;
  return `${people} ${plural(people, "person", "people")} ${where}${without}`;
}
