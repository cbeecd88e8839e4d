/**
 * What the page knows: the last snapshot and every delta since. No I/O and no clock, so that the rules of the
 * stream can be read (and tested) here alone.
 */

/** @import { Alert, Change, Device, Summary } from "./types.js" */

import { readAlerts, readDevice, readSummary, text } from "./device.js";

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
    /** @type {Alert[]} */
    this.alerts = [];
    /** How many devices match the subscription. @type {number | null} */
    this.total = null;
    /** The ids of the subscribed page in their order; null: not a page. @type {string[] | null} */
    this.order = null;
  }

  /**
   * @param {any} message one message of the stream
   * @returns {Change | "resync"} "resync": this message does not continue what is known here; start anew
   */
  apply(message) {
    if (!wellFormed(message)) return "resync";
    const whole = message.type === "snapshot";
    if (!whole && !this.#continues(message)) return "resync";

    const change = this.#devices(message, whole);
    this.epoch = message.epoch;
    this.version = message.version;
    this.serverTime = message.serverTime;
    this.brokerConnected = message.connected === true;
    this.summary = readSummary(message.summary);
    if (message.alerts !== undefined) this.alerts = readAlerts(message.alerts);
    this.#page(message, whole);
    return change;
  }

  /** @param {any} message @param {boolean} whole @returns {Change} */
  #devices({ devices, removed, serverTime }, whole) {
    /** @type {Change} */
    const change = { changed: new Set(), removed: new Set() };
    const gone = whole ? [...this.devices.keys()] : Array.isArray(removed) ? removed : [];
    for (const id of gone) if (this.devices.delete(id)) change.removed.add(id);
    for (const raw of devices) {
      const device = readDevice(raw, serverTime);
      if (device === null) continue;
      this.devices.set(device.deviceID, device);
      change.removed.delete(device.deviceID);
      change.changed.add(device.deviceID);
    }
    return change;
  }

  /** Forgets everything. @returns {Change} */
  clear() {
    const removed = new Set(this.devices.keys());
    this.devices = new Map();
    this.summary = null;
    this.alerts = [];
    this.total = null;
    this.order = null;
    this.epoch = null;
    return { changed: new Set(), removed };
  }

  /** @param {any} message @param {boolean} whole */
  #page({ total, order }, whole) {
    if (whole || total !== undefined) this.total = Number.isFinite(total) ? total : null;
    if (whole || order !== undefined) {
      this.order = Array.isArray(order) ? order.filter((id) => text(id) !== null) : null;
    }
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
