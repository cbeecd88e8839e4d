/** Reads the nodes that the server knows of. Pure. */

/** @import { ServiceNode } from "./types.js" */

import { number, readModel, record, text } from "./device.js";

/** @param {unknown} value @returns {ServiceNode[]} by service and name */
export function readNodes(value) {
  const nodes = Array.isArray(value) ? value.map(readNode).filter((node) => node !== null) : [];
  return nodes.sort((a, b) => ORDER.compare(b.service, a.service) || ORDER.compare(a.instance, b.instance));
}

const ORDER = new Intl.Collator("en", { numeric: true });

/** @param {unknown} value @returns {ServiceNode | null} */
function readNode(value) {
  const raw = record(value);
  const instance = text(raw.instance);
  if (instance === null) return null;
  const durations = record(raw.durationMs);
  return {
    instance,
    service: text(raw.service) ?? "",
    state: raw.state === "online" ? "online" : "offline",
    version: text(raw.version),
    startedTimestamp: number(raw.startedTimestamp),
    model: readModel(raw.model),
    framesPerSecond: number(raw.framesPerSecond),
    meanDurationMs: number(raw.meanDurationMs),
    durationMs: { p50: number(durations.p50), p99: number(durations.p99) },
    queue: number(raw.queue),
    failures: number(raw.failures),
    ageSeconds: number(raw.ageSeconds),
  };
}
