import assert from "node:assert/strict";
import test from "node:test";

import { loginAddress, loginProblem } from "../../../services/engage/assets/js/session.js";

test("a login at the provider returns to what was shown", () => {
  const provider = { name: "Keycloak", url: "https://people.example.com/api/v1/session/oidc", only: false };
  const address = new URL(loginAddress(provider, "?device=lobby-1&q=a b"));
  assert.equal(`${address.origin}${address.pathname}`, provider.url);
  assert.equal(address.searchParams.get("return"), "/?device=lobby-1&q=a b");
  assert.equal(new URL(loginAddress(provider, "")).searchParams.get("return"), "/");
  assert.equal(new URL(loginAddress(provider, `?q=${"a".repeat(2000)}`)).searchParams.get("return"), "/", "too long to return to");
});

test("why a login failed is said in words, never in those of the address", () => {
  assert.match(loginProblem("#login=no-group") ?? "", /^Not logged in: the provider knows you/);
  for (const hash of ["#login=constructor", "#login=future-reason"]) {
    assert.equal(loginProblem(hash), "Not logged in: the provider did not let you in.");
  }
  for (const hash of ["", "#main", "#login=", "#login=<b>", "#login=denied now"]) assert.equal(loginProblem(hash), null);
});
