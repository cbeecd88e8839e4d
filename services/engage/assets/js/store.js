/**
 * What the page knows: the last snapshot and every delta since. No I/O and no clock, so that the rules of the
 * stream can be read (and tested) here alone.
 */

/** @import { Change, Device, Summary } from "./types.js" */

import { readDevice, readSummary } from "./device.js";

export class Store {
  constructor() {
    /** @type {Map<string, Device>} */
    this.devices = new Map();
    /** @type {Summary | null} null before the first snapshot */
    this.summary = null;
    /** Whether engage has its broker. */
    this.brokerConnected = false;
    /** The server's clock when it sent the last message. */
    this.serverTime = 0;
    this.version = 0;
    /** @type {string | null} */
    this.epoch = null;
  }

  /**
   * @param {any} message one message of the stream
   * @returns {Change | "resync"} "resync": this message does not continue what is known here; start anew
   */
  apply(message) {
    if (!wellFormed(message)) return "resync";
    const whole = message.type === "snapshot";
    if (!whole && !this.#continues(message)) return "resync";

    /** @type {Change} */
    const change = { changed: new Set(), removed: new Set() };
    const before = whole ? this.devices : null;
    if (whole) this.devices = new Map();

    for (const id of Array.isArray(message.removed) ? message.removed : []) {
      if (this.devices.delete(id)) change.removed.add(id);
    }
    for (const raw of message.devices) {
      const device = readDevice(raw, message.serverTime);
      if (device === null) continue;
      this.devices.set(device.deviceID, device);
      change.changed.add(device.deviceID);
    }
    for (const id of before?.keys() ?? []) {
      if (!this.devices.has(id)) change.removed.add(id);
    }

    this.epoch = message.epoch;
    this.version = message.version;
    this.serverTime = message.serverTime;
    this.brokerConnected = message.connected === true;
    this.summary = readSummary(message.summary);
    return change;
  }

  /**
   * A delta holds all changes after `since`: it may reach further back than needed, but leave no gap.
   * @param {{ epoch: string, version: number, since: unknown }} delta
   */
  #continues({ epoch, version, since }) {
    return epoch === this.epoch && typeof since === "number" && since <= this.version && version >= this.version;
  }
}

/** @param {any} message */
function wellFormed(message) {
  return (
    (message?.type === "snapshot" || message?.type === "delta") &&
    typeof message.epoch === "string" &&
    Number.isFinite(message.version) &&
    Number.isFinite(message.serverTime) &&
    Array.isArray(message.devices)
  );
}
