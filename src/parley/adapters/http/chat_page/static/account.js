// The account, its usage, and what it may choose from.

import { call } from "./api.js";

/** `changes` has an event for every new value. */
export const account = { user: null, usage: null, models: [], changes: new EventTarget() };

export async function loadAccount() {
  [account.user, account.usage] = await Promise.all([call("GET", "user/me"), call("GET", "user/usage")]);
  changed();
}

export async function loadUsage() {
  account.usage = await call("GET", "user/usage");
  changed();
}

export async function loadModels() {
  account.models = (await call("GET", "models")).items;
  changed();
}

/** Takes what is left from the headers of an accepted message (RateLimit). */
export function noteQuota(headers) {
  const remaining = /"daily";r=(\d+)/.exec(headers.get("RateLimit") ?? "");
  if (!remaining || !account.usage) return;
  account.usage = { ...account.usage, remaining: Number(remaining[1]) };
  changed();
}

export function changed() {
  account.changes.dispatchEvent(new Event("change"));
}
