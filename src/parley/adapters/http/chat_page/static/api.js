// Requests to the API.

import * as connection from "./connection.js";
import { accessToken, address, end, refreshed } from "./session.js";

/** A problem of RFC 9457. `code` is stable, `detail` is for people. */
export class Problem extends Error {
  constructor(status, body, headers) {
    super(body.detail ?? `The server answered ${status}.`);
    this.status = status;
    this.code = body.code ?? "unknown";
    this.errors = body.errors ?? [];
    this.retryAfter = Number(headers.get("Retry-After")) || null;
  }
}

/** Without an answer from the server, and not to be repeated by itself. */
export class NoAnswer extends Error {
  constructor() {
    super("The server does not answer. Nothing was changed; try again.");
  }
}

/**
 * The answer as JSON, null for 204. Repeated until the server answers, unless it is a POST without an idempotency key.
 * Throws Problem, NoAnswer, and AbortError.
 */
export async function call(method, path, { body, headers = {}, signal, repeat = method !== "POST" } = {}) {
  const response = await send(method, path, { body, headers, signal, repeat });
  return response.status === 204 ? null : response.json();
}

/** The answer itself, once it is good. */
export async function send(method, path, { body, headers = {}, signal, repeat = true, accept } = {}) {
  for (;;) {
    const response = await attempt(method, path, body, headers, signal);
    if (response?.ok || (response && accept?.(response))) return response;
    if (response && response.status !== 503) throw new Problem(response.status, await problem(response), response.headers);
    const recovered = connection.lost(response ? "busy" : "offline");
    if (!repeat && !response) throw new NoAnswer();
    if (!repeat) throw new Problem(response.status, await problem(response), response.headers);
    await recovered;
    signal?.throwIfAborted();
  }
}

/** Without a token, for signing in. */
export async function callAsStranger(path, body) {
  let response;
  try {
    response = await fetch(address(path), requestOf("POST", body, {}));
  } catch {
    connection.lost("offline");
    throw new NoAnswer();
  }
  if (!response.ok) throw new Problem(response.status, await problem(response), response.headers);
  return response.json();
}

/** Null without an answer. A refused token is exchanged once. */
async function attempt(method, path, body, headers, signal) {
  try {
    let token = await accessToken();
    if (!token) throw new DOMException("Nobody is signed in.", "AbortError");
    let response = await authorized(method, path, body, headers, signal, token);
    if (response.status === 401) {
      token = await refreshed(token);
      if (token) response = await authorized(method, path, body, headers, signal, token);
      if (response.status === 401) end(token);
    }
    return response;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return null;
  }
}

function authorized(method, path, body, headers, signal, token) {
  return fetch(address(path), { ...requestOf(method, body, { ...headers, Authorization: `Bearer ${token}` }), signal });
}

function requestOf(method, body, headers) {
  if (body === undefined) return { method, headers };
  return { method, headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

async function problem(response) {
  try {
    return await response.json();
  } catch {
    return {};
  }
}

/** For a POST that may be repeated. */
export function idempotencyKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** All items of a list, page by page. */
export async function* pages(path, options) {
  let cursor = null;
  do {
    const separator = path.includes("?") ? "&" : "?";
    const page = await call("GET", cursor ? `${path}${separator}cursor=${encodeURIComponent(cursor)}` : path, options);
    yield page.items;
    cursor = page.next_cursor;
  } while (cursor);
}
