// Sends what happens in this tab to the other tabs of this browser.

const channel = new BroadcastChannel("parley");

/** Events "rooms", "room" and "account" from the other tabs; `detail` of a room is its id. */
export const received = new EventTarget();

export function broadcast(what, detail = null) {
  channel.postMessage({ what, detail });
}

channel.addEventListener("message", ({ data: { what, detail } }) => {
  received.dispatchEvent(new CustomEvent(what, { detail }));
});
