/**
 * The types of the page, for the type checker; nothing here runs.
 *
 * Field names are those of the stream (docs/wire.md). Times are Unix seconds, durations seconds, boxes are
 * `[x, y, width, height]` as fractions of the upright picture.
 *
 * @typedef {"live" | "stale" | "offline" | "failing" | "unknown"} DeviceState  what engage says of a device
 * @typedef {DeviceState | "disconnected" | "paused"} ShownState  what the page may claim: a live camera is no longer
 *   called so as soon as the page itself does not hear of it
 * @typedef {"connecting" | "live" | "reconnecting" | "broker-away" | "paused"} Connection
 *
 * @typedef {object} Person
 * @property {[number, number, number, number]} box
 * @property {number} score
 *
 * @typedef {object} Failure
 * @property {string} reason
 * @property {string} message
 * @property {number | null} failedTimestamp
 * @property {string | null} frameID
 *
 * @typedef {object} Device
 * @property {string} deviceID
 * @property {DeviceState} state
 * @property {number | null} count  null: never counted, which is not zero
 * @property {number | null} countedAt  when the count was true, by the server's clock; null: nobody can tell
 * @property {number | null} analysedTimestamp  the gateway's clock
 * @property {number | null} creationTimestamp  the camera's clock: shown, never computed with
 * @property {number | null} unchanged  when the scene was last seen to be as counted, by the camera's clock; null: nobody looked
 * @property {number | null} clockOffsetSeconds  camera minus gateway, only when it is worth a warning
 * @property {number | null} gatewayAheadSeconds  gateway minus server, only when it is worth a warning
 * @property {string | null} frameID
 * @property {number | null} width
 * @property {number | null} height
 * @property {"original" | "blurred" | "withheld" | null} picture
 * @property {string | null} image  where the picture of this very result is
 * @property {Person[]} people
 * @property {{ name: string, sha256: string } | null} model
 * @property {string | null} node
 * @property {number | null} durationMs
 * @property {string | null} source
 * @property {number | null} cadenceSeconds
 * @property {number | null} staleAfterSeconds
 * @property {number | null} spoolDepth
 * @property {[string, number][]} dropped  why, and how many frames; sorted by reason
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
 * @typedef {object} Alert
 * @property {string} rule
 * @property {string} target
 * @property {"active" | "unknown"} state  unknown: what the rule looks at is not known at present
 * @property {"info" | "warning" | "critical"} severity
 * @property {string} message
 * @property {number | null} sinceTimestamp
 *
 * @typedef {object} Point  one count of the history
 * @property {number} timestamp  the gateway's clock
 * @property {number} count
 *
 * @typedef {object} ServiceNode
 * @property {string} service
 * @property {string} instance
 * @property {"online" | "offline"} state
 * @property {string | null} version
 * @property {number | null} startedTimestamp
 * @property {{ name: string, sha256: string } | null} model
 * @property {number | null} framesPerSecond
 * @property {number | null} meanDurationMs
 * @property {{ p50: number | null, p99: number | null }} durationMs
 * @property {number | null} queue
 * @property {number | null} failures
 * @property {number | null} ageSeconds
 *
 * @typedef {object} Session
 * @property {boolean} accessControl
 * @property {{ name: string, role: string } | null} user
 * @property {Provider | null} provider  where else people can log in
 *
 * @typedef {object} Provider  an OpenID provider
 * @property {string} name
 * @property {string} url  where a login begins
 * @property {boolean} only  nobody can log in with a password
 *
 * @typedef {object} Query  which cameras, and in which order
 * @property {string} q
 * @property {DeviceState[]} states  none: every state
 * @property {[string, string][]} labels
 * @property {string} sort  a key of `SORTS` in route.js, with `-` in front for descending
 *
 * @typedef {"wall" | "table" | "device" | "nodes" | "kiosk"} ViewName
 * @typedef {"compact" | "normal" | "large"} Density
 *
 * @typedef {object} Route  what the URL says
 * @property {ViewName} view
 * @property {string | null} device  of the device view
 * @property {Query} query
 * @property {Density} density
 * @property {number} seconds  for which the kiosk shows a camera
 * @property {ViewName} list  the view to which the device view goes back
 *
 * @typedef {{ devices: string[] } | { query: Query, offset: number, limit: number }} Wish  what a view needs to hear of
 *
 * @typedef {object} Change  what one message changed
 * @property {Set<string>} changed
 * @property {Set<string>} removed
 *
 * @typedef {object} Context  what a view needs besides the device
 * @property {Connection} connection
 * @property {number} now  the server's clock
 *
 * @typedef {object} View
 * @property {HTMLElement} element
 * @property {() => string} title
 * @property {() => Wish} wish
 * @property {(route: Route, context: Context) => void} setRoute  the URL changed, and names this view still
 * @property {(change: Change, context: Context) => void} update  the store changed
 * @property {(context: Context) => void} arrange  the window was scrolled or resized
 * @property {(context: Context) => void} render  the time or the connection changed
 * @property {(awake: boolean) => void} setAwake  a page in the background loads nothing
 * @property {() => void} leave
 *
 * @typedef {object} Services  what views are made of
 * @property {import("./store.js").Store} store
 * @property {import("./listing.js").Listing} listing
 * @property {import("./loader.js").Loader} loader
 * @property {import("./histories.js").Histories} histories
 * @property {import("./router.js").Router} router
 * @property {import("./clock.js").Stopwatch} stopwatch
 * @property {() => Context} context
 * @property {() => Session | null} session
 * @property {() => void} wishChanged
 */

export {};
