// The server-sent events of a reply, read with the access token, so that they go on after a reload of the page.

import { Problem, call, send } from "./api.js";

const AGAIN_MILLISECONDS = 1_000;
const ENDS = new Set(["done", "failed", "stopped"]);

/**
 * Calls `changed({parts})` at every change, and returns the message once the reply has ended; null if it is gone.
 * Resumes after interruptions with no gap and no repeat. Throws AbortError.
 */
export async function follow(room, reply, changed, signal) {
  const path = `chatroom/${room}/messages/${reply}`;
  const reader = { last: "", parts: [], changed };
  while (!signal.aborted) {
    try {
      const headers = reader.last ? { "Last-Event-ID": reader.last } : {};
      const response = await send("GET", `${path}/stream`, { headers, signal });
      if (response.status === 204) return await call("GET", path, { signal });
      const message = await readEvents(response.body, reader);
      if (message) return message;
    } catch (error) {
      if (error.name === "AbortError") throw error;
      // Final: the reply or the session is gone.
      if (error instanceof Problem && error.status !== 429) return null;
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MILLISECONDS));
  }
  throw signal.reason;
}

/** Applies events until the last one, whose message it returns; null if the connection ends before. */
async function readEvents(body, reader) {
  const text = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await text.read();
    if (done) return null;
    const events = (buffer + value).split("\n\n");
    buffer = events.pop();
    for (const event of events) {
      const message = apply(parse(event), reader);
      if (message) return message;
    }
  }
}

function parse(text) {
  const event = { id: "", name: "", data: null };
  for (const line of text.split("\n")) {
    const [name, value] = [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)];
    if (name === "id") event.id = value;
    else if (name === "event") event.name = value;
    else if (name === "data") event.data = JSON.parse(value);
  }
  return event;
}

function apply({ id, name, data }, reader) {
  if (id) reader.last = id;
  if (ENDS.has(name)) return data.message;
  if (name === "start") reader.parts = [];
  else if (name === "delta" || name === "reasoning") add(reader.parts, name === "delta" ? "text" : name, data.text);
  else return null;
  reader.changed(reader.parts);
  return null;
}

function add(parts, type, text) {
  const last = parts.at(-1);
  if (last?.type === type) last.text += text;
  else parts.push({ type, text });
}
