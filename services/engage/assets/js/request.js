/** Asks the server by REST, and says in words why it did not work. */

const TIMEOUT_MS = 10_000;

/** An answer that cannot be used; the message is for people. `status` is 0 when there was none. */
export class RequestError extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * @param {string} path relative to the page
 * @param {{ method?: string, body?: object, cancelled?: AbortSignal }} [options]
 * @returns {Promise<Response>} of a request that went well
 * @throws {RequestError} or the reason of `cancelled`
 */
export async function request(path, { method = "GET", body, cancelled } = {}) {
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  const signal = cancelled === undefined ? limit : AbortSignal.any([limit, cancelled]);
  /** @type {RequestInit} */
  const init = { method, signal };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { "content-type": "application/json" };
  }
  const response = await answer(() => fetch(new URL(path, document.baseURI), init), limit, cancelled);
  if (!response.ok) throw new RequestError(response.status, await explanation(response));
  return response;
}

/**
 * The body is part of the request: it can be slow or break off too.
 * @param {string} path @param {Parameters<typeof request>[1]} [options] @returns {Promise<any>}
 */
export async function requestJSON(path, options) {
  const response = await request(path, options);
  try {
    return await response.json();
  } catch {
    options?.cancelled?.throwIfAborted();
    throw new RequestError(0, "the server's answer broke off");
  }
}

/** @template T @param {() => Promise<T>} ask @param {AbortSignal} limit @param {AbortSignal | undefined} cancelled */
async function answer(ask, limit, cancelled) {
  try {
    return await ask();
  } catch {
    cancelled?.throwIfAborted();
    throw new RequestError(0, limit.aborted ? "the server took too long" : "the server cannot be reached");
  }
}

/** The server answers with problem JSON (RFC 9457). @param {Response} response */
async function explanation(response) {
  const fallback = `the server answered ${response.status}`;
  if (!(response.headers.get("content-type") ?? "").includes("json")) return fallback;
  try {
    const problem = await response.json();
    return String(problem.detail ?? problem.title ?? fallback);
  } catch {
    return fallback;
  }
}
