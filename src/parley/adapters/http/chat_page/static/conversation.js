// A room: its messages, the replies that are being written, and what the user does with them.

import { account, loadUsage, noteQuota } from "./account.js";
import { Problem, call, idempotencyKey, send } from "./api.js";
import { Composer } from "./composer.js";
import { trying } from "./dialogs.js";
import { announce, h } from "./dom.js";
import { rate } from "./feedback.js";
import { branchThrough, olderMessages } from "./history.js";
import { isLive } from "./message_view.js";
import { follow } from "./reply_stream.js";
import { RoomHeader } from "./room_header.js";
import { broadcast } from "./tabs.js";
import { Timeline } from "./timeline.js";

// Browsers open six connections to a server; the replies of a room are written one after the other.
const MOST_STREAMS = 2;

export class Conversation {
  #rooms;
  #room = null;
  #cursor = null;
  #loadingOlder = false;
  // Ends the requests for the room that is shown.
  #leaving = new AbortController();
  #followed = new Set();
  #composer = new Composer({
    onsend: (text) => trying(() => this.#say(text)),
    onstop: () => trying(() => this.#stop()),
    onmodel: (model) => trying(() => this.#chooseModel(model)),
  });
  #timeline = new Timeline({
    older: () => trying(() => this.#loadOlder()),
    edit: (view) => this.#editIn(view, view.message.content),
    regenerate: (message) => trying(() => this.#regenerate(message)),
    showSibling: (id) => trying(() => this.#showBranch(id)),
    rate: (message, rating) => trying(() => rate(message, rating, (rated) => this.#timeline.update(rated))),
  });
  #empty = h("div", { class: "empty" }, h("h2", {}, "What is on your mind?"));
  #header;

  constructor(rooms) {
    this.#rooms = rooms;
    this.#header = new RoomHeader(rooms, { changed: (room) => this.#changed(room), left: () => this.#gone() });
    rooms.changes.addEventListener("change", () => this.#header.refresh());
    this.header = this.#header.element;
    this.element = h("main", { class: "conversation" }, this.header, this.#empty, this.#timeline.element, this.#composer.element);
  }

  /** Shows a room, at a message of it if one is named; without a room, a new one. */
  async open(id, message = null) {
    if (id && id === this.#room?.id && !message) return;
    this.close();
    this.#leaving = new AbortController();
    this.#show(id ? (this.#rooms.find(id) ?? { id, name: "" }) : null, []);
    this.#composer.focus();
    if (!id) return;
    await this.#unlessGone(() => this.#load(id, message));
  }

  close() {
    this.#leaving.abort();
    this.#followed.clear();
  }

  /** Reads the end of the branch again, after an interruption. */
  async refresh() {
    if (!this.#room) return;
    const { signal } = this.#leaving;
    const { messages, next_cursor: cursor, ...room } = await call("GET", `chatroom/${this.#room.id}`, { signal });
    this.#changed(room);
    // Somewhere else in the tree, or with more news than a page: all of it is shown anew.
    const first = messages[0] && this.#timeline.find(messages[0].id);
    if (!this.#continues(messages, first)) {
      this.#cursor = cursor;
      this.#timeline.reset(messages);
      trying(() => this.#loadOlder());
    } else {
      this.#merge(messages);
    }
    this.#followAll();
  }

  async changedElsewhere(id) {
    if (id === this.#room?.id) await this.#unlessGone(() => this.refresh());
  }

  async #load(id, message) {
    const { signal } = this.#leaving;
    const { messages, next_cursor: cursor, ...room } = await call("GET", `chatroom/${id}`, { signal });
    const isShown = !message || messages.some((each) => each.id === message);
    const page = isShown ? { items: messages, next_cursor: cursor } : await branchThrough(id, message, signal);
    this.#cursor = page.next_cursor;
    this.#show(room, page.items);
    if (message) this.#timeline.reveal(message);
    this.#followAll();
    await this.#loadOlder();
  }

  async #loadOlder() {
    if (this.#loadingOlder || !this.#cursor) return;
    this.#loadingOlder = true;
    try {
      while (this.#cursor && this.#timeline.isNearStart) {
        const cursor = this.#cursor;
        const page = await olderMessages(this.#room.id, cursor, this.#leaving.signal);
        // Meanwhile another branch may be shown, or the room was read anew.
        if (this.#cursor !== cursor) continue;
        this.#cursor = page.next_cursor;
        this.#timeline.prepend(page.items);
      }
    } finally {
      this.#loadingOlder = false;
    }
  }

  #show(room, messages) {
    this.#room = room;
    this.#header.show(room);
    this.#composer.model = room?.model ?? null;
    this.#timeline.reset(messages);
    this.#arrange();
  }

  #arrange() {
    this.#empty.hidden = this.#room !== null;
    this.#timeline.element.hidden = this.#room === null;
    this.#composer.running = this.#timeline.messages.some(isLive);
  }

  #changed(room) {
    this.#room = { ...this.#room, ...room };
    this.#header.show(this.#room);
    this.#composer.model = this.#room.model;
  }

  async #unlessGone(read) {
    try {
      await read();
    } catch (error) {
      if (!(error instanceof Problem && (error.status === 404 || error.status === 400))) throw error;
      this.#gone();
    }
  }

  #gone() {
    this.close();
    location.hash = "";
  }

  async #say(content) {
    const room = this.#room ?? await this.#newRoom();
    const parent = this.#timeline.last;
    // Goes on from what is shown here, whatever another tab shows.
    const from = parent?.role === "assistant" ? { parent_id: parent.id } : {};
    const { message, reply } = await this.#post(`chatroom/${room.id}/message`, { content, ...from });
    if (this.#room?.id !== room.id) return true;
    this.#timeline.append(message);
    this.#began(reply);
    return true;
  }

  /** Without a name: it gets one from its first message. */
  async #newRoom() {
    const room = await call("POST", "chatroom", { body: { model: this.#composer.model } });
    this.#room = room;
    history.pushState(null, "", `#/${room.id}`);
    this.#rooms.select(room.id);
    this.#header.show(room);
    this.#arrange();
    return room;
  }

  /** Asks for the text in place of the message, and once more with the same text if it is refused. */
  #editIn(view, text) {
    view.edit(text, async (changed) => {
      if (changed === null) return;
      const accepted = await trying(() => this.#edit(view.message, changed));
      if (!accepted) this.#editIn(view, changed);
    });
  }

  async #edit(message, content) {
    const accepted = await this.#post(`chatroom/${this.#room.id}/messages/${message.id}/edit`, { content });
    this.#timeline.cut(message.id);
    this.#timeline.append(accepted.message);
    this.#began(accepted.reply);
    return true;
  }

  async #regenerate(message) {
    const accepted = await this.#post(`chatroom/${this.#room.id}/messages/${message.id}/regenerate`, {});
    this.#timeline.cut(message.id);
    this.#began(accepted.reply);
  }

  /** An accepted message. The same key makes a repetition harmless. */
  async #post(path, body) {
    try {
      const headers = { "Idempotency-Key": idempotencyKey() };
      const response = await send("POST", path, { body, headers });
      noteQuota(response.headers);
      return await response.json();
    } catch (error) {
      if (error.code === "quota_exceeded") trying(loadUsage);
      throw error;
    }
  }

  #began(reply) {
    this.#timeline.append(reply);
    this.#timeline.toEnd();
    this.#arrange();
    this.#follow(reply);
    this.#broadcastChange();
  }

  #followAll() {
    for (const message of this.#timeline.messages) if (isLive(message)) this.#follow(message);
    this.#arrange();
  }

  async #follow(reply) {
    if (this.#followed.has(reply.id) || this.#followed.size >= MOST_STREAMS) return;
    const followed = this.#followed;
    const { signal } = this.#leaving;
    followed.add(reply.id);
    try {
      const ended = await follow(reply.chatroom_id, reply.id, (parts) => this.#timeline.grow(reply.id, parts), signal);
      if (!signal.aborted) this.#ended(reply, ended);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      followed.delete(reply.id);
      if (!signal.aborted) this.#followAll();
    }
  }

  #ended(reply, message) {
    if (!message) {
      this.#timeline.cut(reply.id);
      return;
    }
    this.#timeline.update(message);
    announce(message.status === "completed" ? "The reply is complete." : "The reply has ended.");
    // A failure returns its message; tokens are counted at the end.
    if (message.status === "failed" || account.usage?.token_quota) trying(loadUsage);
    if (this.#room.title_source === "auto") trying(() => this.#rooms.awaitTitle(this.#room.id));
    this.#broadcastChange();
  }

  #broadcastChange() {
    broadcast("room", this.#room.id);
    broadcast("rooms");
    trying(() => this.#rooms.load());
  }

  async #stop() {
    const live = this.#timeline.messages.filter(isLive);
    await Promise.all(live.map(({ id, chatroom_id: room }) => call("POST", `chatroom/${room}/messages/${id}/stop`, { repeat: true })));
  }

  async #showBranch(message) {
    const { id } = this.#room;
    const { signal } = this.#leaving;
    await call("PUT", `chatroom/${id}/head`, { body: { message_id: message }, signal });
    await this.#load(id, message);
    broadcast("room", id);
  }

  async #chooseModel(model) {
    if (!this.#room) return;
    this.#changed(await call("PATCH", `chatroom/${this.#room.id}`, { body: { model } }));
  }

  #continues(messages, first) {
    const shown = this.#timeline.messages;
    if (!messages.length || !shown.length) return messages.length === shown.length;
    if (!first) return false;
    const rest = shown.slice(shown.indexOf(first));
    return rest.length <= messages.length && rest.every(({ id }, index) => id === messages[index].id);
  }

  #merge(messages) {
    for (const message of messages) {
      const known = this.#timeline.find(message.id);
      if (!known) this.#timeline.append(message);
      else if (known.status !== message.status && !this.#followed.has(message.id)) this.#timeline.update(message);
    }
  }
}
