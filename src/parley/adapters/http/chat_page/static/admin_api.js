// Requests of the operator, with ADMIN_TOKEN, which this tab remembers.

import { NoAnswer, Problem } from "./api.js";
import { address } from "./session.js";

const KEY = "parley.admin";

export const isSignedIn = () => sessionStorage.getItem(KEY) !== null;
export const signIn = (token) => sessionStorage.setItem(KEY, token);
export const signOut = () => sessionStorage.removeItem(KEY);

/** The answer as JSON, null for 204. Throws Problem and NoAnswer. */
export async function ask(method, path, body = undefined) {
  const headers = { Authorization: `Bearer ${sessionStorage.getItem(KEY)}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(address(`admin/${path}`), { method, headers, body: body && JSON.stringify(body) });
  } catch {
    throw new NoAnswer();
  }
  if (response.status === 401) signOut();
  if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({})), response.headers);
  return response.status === 204 ? null : response.json();
}
