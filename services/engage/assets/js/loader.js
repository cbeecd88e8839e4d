/** Fetches pictures, a few at a time, and says in words why one did not come. */

import { RequestError, request } from "./request.js";

/** Leaves connections of the browser free for everything else. */
const AT_ONCE = 4;

/**
 * @typedef {object} LoadedImage
 * @property {HTMLImageElement} element  decoded: showing it does not flicker
 * @property {() => void} release  frees the bytes; to be called once it is no longer shown
 */

/** A picture that cannot be shown; the message is for people. */
export class PictureError extends Error {}

export class Loader {
  #free = AT_ONCE;
  /** @type {(() => void)[]} */
  #waiting = [];

  /**
   * @param {string} path @param {AbortSignal} cancelled
   * @returns {Promise<LoadedImage>}
   * @throws {PictureError} or the reason of `cancelled`
   */
  async load(path, cancelled) {
    await this.#enter();
    try {
      cancelled.throwIfAborted();
      return await decode(await download(path, cancelled));
    } finally {
      this.#leave();
    }
  }

  async #enter() {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise((resolve) => this.#waiting.push(() => resolve(undefined)));
  }

  #leave() {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}

/** @param {string} path @param {AbortSignal} cancelled @returns {Promise<Blob>} */
async function download(path, cancelled) {
  try {
    const response = await request(path, { cancelled });
    return await response.blob();
  } catch (error) {
    cancelled.throwIfAborted();
    throw new PictureError(error instanceof RequestError ? error.message : "the transfer broke off");
  }
}

/** @param {Blob} blob @returns {Promise<LoadedImage>} */
async function decode(blob) {
  const url = URL.createObjectURL(blob);
  const element = new Image();
  element.src = url;
  try {
    await element.decode();
  } catch {
    URL.revokeObjectURL(url);
    throw new PictureError("it cannot be decoded");
  }
  return { element, release: () => URL.revokeObjectURL(url) };
}
