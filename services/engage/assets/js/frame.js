/** Runs work with the next frame of the screen. */

/** Pages in the background get no frames; their work is done at least this often. */
const LONGEST_WAIT_MS = 250;

/**
 * @param {() => void} work
 * @returns {() => void} asks for one run of `work`; asking again before it ran changes nothing
 */
export function onNextFrame(work) {
  let frame = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const run = () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    timer = undefined;
    work();
  };
  return () => {
    if (timer !== undefined) return;
    frame = requestAnimationFrame(run);
    timer = setTimeout(run, LONGEST_WAIT_MS);
  };
}
