/**
 * The types of the page, for the type checker; nothing here runs.
 *
 * Field names are those of the stream (docs/wire.md). Times are Unix seconds, durations seconds, boxes are
 * `[x, y, width, height]` as fractions of the upright picture.
 *
 * @typedef {"live" | "stale" | "offline" | "failing" | "unknown"} DeviceState  what engage says of a device
 * @typedef {DeviceState | "disconnected"} ShownState  what the page may claim: a live camera is "disconnected"
 *   as soon as the page itself no longer hears of it
 * @typedef {"connecting" | "live" | "reconnecting" | "broker-away"} Connection
 *
 * @typedef {object} Person
 * @property {[number, number, number, number]} box
 * @property {number} score
 *
 * @typedef {object} Failure
 * @property {string} reason
 * @property {string} message
 * @property {number | null} failedTimestamp
 *
 * @typedef {object} Device
 * @property {string} deviceID
 * @property {DeviceState} state
 * @property {number | null} count  null: never counted, which is not zero
 * @property {number | null} countedAt  when the count was true, by the server's clock; null: nobody can tell
 * @property {number | null} creationTimestamp  the camera's clock: shown, never computed with
 * @property {number | null} clockOffsetSeconds  camera minus gateway, only when it is worth a warning
 * @property {number | null} gatewayAheadSeconds  gateway minus server, only when it is worth a warning
 * @property {string | null} frameID
 * @property {number | null} width
 * @property {number | null} height
 * @property {"original" | "blurred" | "withheld" | null} picture
 * @property {string | null} image  where the picture of this very result is
 * @property {Person[]} people
 * @property {number | null} cadenceSeconds
 * @property {number | null} staleAfterSeconds
 * @property {[string, string][]} labels  sorted by key
 * @property {string | null} problem
 * @property {Failure | null} failure
 *
 * @typedef {object} Summary
 * @property {number} people  of live devices only
 * @property {number} live
 * @property {number} stale
 * @property {number} offline
 * @property {number} failing
 * @property {number} unknown
 *
 * @typedef {object} Change  what one message changed
 * @property {Set<string>} changed
 * @property {Set<string>} removed
 *
 * @typedef {object} Context  what a view needs besides the device
 * @property {Connection} connection
 * @property {number} now  the server's clock
 */

export {};
