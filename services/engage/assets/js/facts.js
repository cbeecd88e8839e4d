/** What is known of a camera, as names and values. */

/** @import { Device } from "./types.js" */

import { clockTime, figure, interval, percent } from "./format.js";

/** Enough of a checksum to tell two models apart. */
const CHECKSUM_DIGITS = 12;

/** @param {Device} device @param {number} now @returns {[string, string][]} only what is known */
export function facts(device, now) {
  return [...resultFacts(device, now), ...cameraFacts(device)].filter(([, value]) => value !== "");
}

/** @param {Device} device @param {number} now @returns {[string, string][]} */
function resultFacts(device, now) {
  const { creationTimestamp, analysedTimestamp, width, height, people, model, node, durationMs, frameID } = device;
  return [
    ["Captured", creationTimestamp === null ? "" : clockTime(creationTimestamp, now)],
    ["Analysed", analysedTimestamp === null ? "" : clockTime(analysedTimestamp, now)],
    ["Scores", people.map(({ score }) => percent(score)).join(", ")],
    ["Picture", width === null || height === null ? "" : `${width} × ${height}, ${device.picture ?? "unknown"}`],
    ["Frame", frameID ?? ""],
    ["Model", model === null ? "" : `${model.name} (${model.sha256.slice(0, CHECKSUM_DIGITS)})`],
    ["Counted by", node === null ? "" : `${node}${durationMs === null ? "" : `, ${figure(durationMs)} ms`}`],
  ];
}

/** @param {Device} device @returns {[string, string][]} */
function cameraFacts({ source, cadenceSeconds, staleAfterSeconds, spoolDepth, dropped }) {
  return [
    ["Source", source ?? ""],
    ["Cadence", cadenceSeconds === null ? "" : `a picture every ${interval(cadenceSeconds)}`],
    ["Stale after", staleAfterSeconds === null ? "" : interval(staleAfterSeconds)],
    ["Waiting in the camera", spoolDepth === null ? "" : String(spoolDepth)],
    ["Dropped", dropped.map(([reason, count]) => `${count.toLocaleString("en")} ${reason}`).join(", ")],
  ];
}
