// What happens in this tab is told to the other tabs of this browser.

const channel = new BroadcastChannel("parley");

/** Events "rooms", "room" and "account", from the other tabs; `detail` is what was told. */
export const heard = new EventTarget();

export function tell(what, detail = null) {
  channel.postMessage({ what, detail });
}

channel.addEventListener("message", ({ data: { what, detail } }) => {
  heard.dispatchEvent(new CustomEvent(what, { detail }));
});
