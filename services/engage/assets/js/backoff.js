/** When to try again. */

const FIRST_SECONDS = 0.25;
const SPREAD_SECONDS = 1.5;
const LONGEST_SECONDS = 8;

/**
 * All the pages of an installation lose their server in the same moment, so the whole delay is drawn by lot.
 * @param {number} attempt 0 for the first after a good connection
 * @param {() => number} [random] in [0, 1)
 * @returns {number} seconds
 */
export function retryDelay(attempt, random = Math.random) {
  const spread = Math.min(LONGEST_SECONDS, SPREAD_SECONDS * 2 ** Math.min(attempt, 16));
  return FIRST_SECONDS + random() * spread;
}
