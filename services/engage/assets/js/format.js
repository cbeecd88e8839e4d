/** Numbers and times as words. */

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * @param {number} seconds
 * @returns {string} at most two units: "4 s", "3 min 20 s", "2 h 5 min", "3 d 4 h"
 */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return pair(whole, MINUTE, "min", 1, "s");
  if (whole < DAY) return pair(whole, HOUR, "h", MINUTE, "min");
  return pair(whole, DAY, "d", HOUR, "h");
}

/** @param {number} whole @param {number} major @param {string} majorUnit @param {number} minor @param {string} minorUnit */
function pair(whole, major, majorUnit, minor, minorUnit) {
  const rest = Math.floor((whole % major) / minor);
  return `${Math.floor(whole / major)} ${majorUnit}${rest > 0 ? ` ${rest} ${minorUnit}` : ""}`;
}

/** @param {number} seconds @returns {string} */
export function age(seconds) {
  return seconds < 1 ? "just now" : `${duration(seconds)} ago`;
}

/** An interval, which may be shorter than a second. @param {number} seconds @returns {string} */
export function interval(seconds) {
  return seconds < 10 ? `${Number(seconds.toFixed(1))} s` : duration(seconds);
}

const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DATE_TIME = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});

/** The furthest moment a JavaScript date can hold, in seconds. */
const LAST_DATE = 8.64e12;

/**
 * @param {number} timestamp Unix seconds
 * @param {number} now Unix seconds; on another day the date is added
 * @returns {string} in the time zone of the viewer
 */
export function clockTime(timestamp, now) {
  if (Math.abs(timestamp) > LAST_DATE) return "at an impossible time";
  const moment = new Date(timestamp * 1000);
  const sameDay = moment.toDateString() === new Date(now * 1000).toDateString();
  return (sameDay ? TIME : DATE_TIME).format(moment);
}

/** A score as people read it, in one piece. @param {number} share @returns {string} */
export function percent(share) {
  return `${Math.round(share * 100)}\u00a0%`;
}

/** Three digits say enough of a measured value. @param {number} value @returns {string} */
export function figure(value) {
  const digits = Math.abs(value) < 10 ? 1 : 0;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

/** @param {number} count @param {string} one @param {string} many @returns {string} */
export function plural(count, one, many) {
  return count === 1 ? one : many;
}
