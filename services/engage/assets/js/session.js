/** Who looks, where access is controlled. */

/** @import { Provider, Session } from "./types.js" */

import { record, text } from "./device.js";
import { RequestError, requestJSON, request } from "./request.js";

const PATH = "api/v1/session";

/** @type {Session} */
export const OPEN = { accessControl: false, user: null, provider: null };

/** @returns {Promise<Session | null>} null: the server does not answer, so nobody can tell */
export async function loadSession() {
  try {
    return readSession(await requestJSON(PATH));
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    if (error.status === 401) return { ...OPEN, accessControl: true };
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
    provider: readProvider(raw.provider),
  };
}

/** @param {unknown} value @returns {Provider | null} */
function readProvider(value) {
  const raw = record(value);
  const [name, url] = [text(raw.name), text(raw.url)];
  return name === null || url === null ? null : { name, url, only: raw.only === true };
}

/** Longest path that a login may return to. */
const LONGEST_RETURN = 1024;

/**
 * The address that a login at the provider begins with.
 * @param {Provider} provider @param {string} search what the address of the page has behind its path
 */
export function loginAddress({ url }, search) {
  const address = new URL(url);
  address.searchParams.set("return", search.length < LONGEST_RETURN ? `/${search}` : "/");
  return address.href;
}

/** @type {Record<string, string>} */
const PROBLEMS = {
  "no-group": "the provider knows you, but none of your groups may look here. Ask whoever runs this service.",
  denied: "the provider refused it.",
  stale: "the login took too long or was begun elsewhere. Try it once more.",
  invalid: "the provider’s answer could not be verified; the log of this service says why.",
  unavailable: "the provider does not answer. Try it again in a little while.",
  "too-many": "too many logins were tried. Wait a little.",
};

/** Why a login at the provider failed, as the fragment of the page’s address says it. @param {string} hash */
export function loginProblem(hash) {
  const code = /^#login=([a-z-]+)$/.exec(hash)?.[1];
  if (code === undefined) return null;
  return `Not logged in: ${Object.hasOwn(PROBLEMS, code) ? PROBLEMS[code] : "the provider did not let you in."}`;
}
