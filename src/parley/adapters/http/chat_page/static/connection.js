// Whether the server answers. While it does not, the page says so and asks again until it does.

import { address } from "./session.js";

const AGAIN_MILLISECONDS = 2_000;

/** "ok", "offline" (no answer) or "busy" (503). */
export let state = "ok";
export const changes = new EventTarget();

let recovery = null;

/** Notes that a request failed for want of the server. Resolves once the server answers again. */
export function lost(reason) {
  set(reason);
  recovery ??= recover().finally(() => {
    recovery = null;
  });
  return recovery;
}

async function recover() {
  for (;;) {
    await pause();
    try {
      const response = await fetch(address("health/live"), { cache: "no-store" });
      if (response.ok) break;
      set("busy");
    } catch {
      set("offline");
    }
  }
  set("ok");
}

/** Ends early when the browser itself is online again. */
function pause() {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      resolve();
    };
    const timer = setTimeout(done, AGAIN_MILLISECONDS);
    addEventListener("online", done);
  });
}

function set(next) {
  if (next === state) return;
  state = next;
  changes.dispatchEvent(new Event("change"));
}
