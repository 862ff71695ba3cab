// Messages of a room, page by page from the newest.

import { call } from "./api.js";

/** The page of messages before those that the cursor belongs to. */
export function olderMessages(room, cursor, signal) {
  return call("GET", `chatroom/${room}/messages?limit=100&cursor=${encodeURIComponent(cursor)}`, { signal });
}

/** The branch through a message, from its newest messages back to that one: as a page. */
export async function branchThrough(room, message, signal) {
  let page = await call("GET", `chatroom/${room}/messages?limit=100&head=${message}`, { signal });
  const items = page.items;
  while (page.next_cursor && !page.items.some(({ id }) => id === message)) {
    page = await olderMessages(room, page.next_cursor, signal);
    items.unshift(...page.items);
  }
  return { items, next_cursor: page.next_cursor };
}
