/**
 * Reads devices and summaries from the stream. Whatever does not have the agreed shape becomes "not known",
 * so that the views can rely on the types and a single odd field never stops the page.
 */

/** @import { Alert, Device, DeviceState, Failure, Person, Summary } from "./types.js" */

/** @type {readonly DeviceState[]} */
export const STATES = ["live", "stale", "offline", "failing", "unknown"];

/** @param {unknown} value @returns {Record<string, unknown>} */
export const record = (value) => (typeof value === "object" && value !== null ? /** @type {any} */ (value) : {});

/** @param {unknown} value @returns {number | null} */
export const number = (value) => (typeof value === "number" && Number.isFinite(value) ? value : null);

/** @param {unknown} value @returns {number | null} */
const positive = (value) => (typeof value === "number" && Number.isFinite(value) && value > 0 ? value : null);

/** @param {unknown} value @returns {string | null} */
export const text = (value) => (typeof value === "string" && value !== "" ? value : null);

/** @param {unknown} value @returns {Person | null} */
function readPerson(value) {
  const { box, score } = record(value);
  if (!Array.isArray(box) || box.length !== 4 || box.some((part) => number(part) === null)) return null;
  return { box: /** @type {Person["box"]} */ (box), score: number(score) ?? 0 };
}

/** @param {unknown} value @returns {Failure | null} */
export function readFailure(value) {
  if (typeof value !== "object" || value === null) return null;
  const { reason, message, failedTimestamp, frameID } = record(value);
  return {
    reason: text(reason) ?? "unknown",
    message: text(message) ?? "",
    failedTimestamp: number(failedTimestamp),
    frameID: text(frameID),
  };
}

/** @param {unknown} value @returns {{ name: string, sha256: string } | null} */
export function readModel(value) {
  const { name, sha256 } = record(value);
  return text(name) === null ? null : { name: String(name), sha256: text(sha256) ?? "" };
}

/** @param {unknown} value @returns {[string, number][]} */
function readDropped(value) {
  return Object.entries(record(value))
    .map(([reason, count]) => /** @type {[string, number]} */ ([reason, number(count) ?? 0]))
    .filter(([, count]) => count > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/** @param {unknown} value @returns {[string, string][]} */
function readLabels(value) {
  return Object.entries(record(value))
    .map(([key, label]) => /** @type {[string, string]} */ ([key, String(label)]))
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/**
 * Only paths of this origin are followed; the policy of the page would refuse others anyway.
 * @param {unknown} value @returns {string | null}
 */
function readPath(value) {
  const path = text(value);
  return path !== null && /^\/(?![/\\])/.test(path) ? path : null;
}

/**
 * @param {unknown} value a device as the stream sends it
 * @param {number} serverTime when it was sent
 * @returns {Device | null} null without a device ID
 */
export function readDevice(value, serverTime) {
  const raw = record(value);
  const deviceID = text(raw.deviceID);
  if (deviceID === null) return null;
  const state = STATES.find((known) => known === raw.state) ?? "unknown";
  const age = number(raw.ageSeconds);
  return {
    deviceID,
    state,
    count: state === "unknown" ? null : number(raw.count),
    // The server knows which clocks can be trusted: a timestamp that it gives no age to has none.
    countedAt: age === null ? null : serverTime - age,
    analysedTimestamp: number(raw.analysedTimestamp),
    creationTimestamp: number(raw.creationTimestamp),
    unchanged: number(raw.unchanged),
    clockOffsetSeconds: number(raw.clockOffsetSeconds),
    gatewayAheadSeconds: number(raw.gatewayAheadSeconds),
    frameID: text(raw.frameID),
    width: positive(raw.width),
    height: positive(raw.height),
    picture: raw.picture === "original" || raw.picture === "blurred" || raw.picture === "withheld" ? raw.picture : null,
    image: raw.picture === "withheld" ? null : readPath(raw.image),
    people: Array.isArray(raw.people) ? raw.people.map(readPerson).filter((person) => person !== null) : [],
    model: readModel(raw.model),
    node: text(raw.node),
    durationMs: number(raw.durationMs),
    source: text(raw.source),
    cadenceSeconds: positive(raw.cadenceSeconds),
    staleAfterSeconds: positive(raw.staleAfterSeconds),
    spoolDepth: number(raw.spoolDepth),
    dropped: readDropped(raw.dropped),
    labels: readLabels(raw.labels),
    problem: text(raw.problem),
    failure: readFailure(raw.failure),
  };
}

/** @param {unknown} value @returns {Summary} */
export function readSummary(value) {
  const raw = record(value);
  /** @param {string} key */
  const total = (key) => number(raw[key]) ?? 0;
  return {
    people: total("people"),
    live: total("live"),
    stale: total("stale"),
    offline: total("offline"),
    failing: total("failing"),
    unknown: total("unknown"),
  };
}

/** @param {unknown} value @returns {Alert[]} worst first */
export function readAlerts(value) {
  const list = Array.isArray(value) ? value.map(readAlert) : [];
  const known = list.filter((alert) => alert !== null);
  return known.sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
}

/** @type {readonly Alert["severity"][]} */
const SEVERITIES = ["critical", "warning", "info"];

/** @param {unknown} value @returns {Alert | null} */
function readAlert(value) {
  const raw = record(value);
  const rule = text(raw.rule);
  const target = text(raw.target);
  if (rule === null || target === null) return null;
  return {
    rule,
    target,
    state: raw.state === "unknown" ? "unknown" : "active",
    severity: SEVERITIES.find((known) => known === raw.severity) ?? "warning",
    message: text(raw.message) ?? rule,
    sinceTimestamp: number(raw.sinceTimestamp),
  };
}
