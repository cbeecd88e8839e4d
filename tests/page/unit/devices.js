/** Devices as the stream sends them, for the tests. */

/** @param {Record<string, unknown>} [fields] */
export function rawDevice(fields = {}) {
  return {
    deviceID: "cam-1",
    state: "live",
    count: 3,
    ageSeconds: 2,
    analysedTimestamp: 998,
    creationTimestamp: 997.5,
    frameID: "f-1",
    width: 640,
    height: 480,
    picture: "original",
    image: "/api/v1/devices/cam-1/image?frame=f-1",
    people: [{ box: [0.1, 0.2, 0.3, 0.4], score: 0.9 }],
    cadenceSeconds: 2,
    staleAfterSeconds: 6,
    labels: { floor: "2" },
    ...fields,
  };
}

/** @param {Record<string, unknown>} [fields] */
export function snapshot(fields = {}) {
  return {
    type: "snapshot",
    epoch: "e",
    version: 10,
    serverTime: 1000,
    connected: true,
    summary: { people: 3, live: 1, stale: 0, offline: 0, failing: 0, unknown: 0 },
    devices: [rawDevice()],
    ...fields,
  };
}

/** @param {Record<string, unknown>} [fields] */
export function delta(fields = {}) {
  return { ...snapshot(), type: "delta", since: 10, version: 11, devices: [], ...fields };
}
