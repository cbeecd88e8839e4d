/** Who looks, where access is controlled. */

/** @import { Session } from "./types.js" */

import { record, text } from "./device.js";
import { RequestError, requestJSON, request } from "./request.js";

const PATH = "api/v1/session";

/** @type {Session} */
const OPEN = { accessControl: false, user: null };

/** @returns {Promise<Session | null>} null: the server does not answer, so nobody can tell */
export async function loadSession() {
  try {
    return readSession(await requestJSON(PATH));
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    if (error.status === 401) return { accessControl: true, user: null };
    // a server without access control may not know the question
    return error.status === 404 ? OPEN : null;
  }
}

/** @param {string} name @param {string} password @returns {Promise<Session>} @throws {RequestError} */
export async function login(name, password) {
  return readSession(await requestJSON(PATH, { method: "POST", body: { name, password } }));
}

/** @throws {RequestError} */
export async function logout() {
  await request(PATH, { method: "DELETE" });
}

/** Whether nothing can be seen before somebody has logged in. @param {Session | null} session */
export function mustLogIn(session) {
  return session !== null && session.accessControl && session.user === null;
}

/** @param {unknown} value @returns {Session} */
function readSession(value) {
  const raw = record(value);
  const user = record(raw.user);
  const name = text(user.name);
  return {
    accessControl: raw.accessControl === true,
    user: name === null ? null : { name, role: text(user.role) ?? "viewer" },
  };
}
