// The name of the room that is shown, and what can be done with the room.

import { call } from "./api.js";
import { asked, confirmed, notice, trying } from "./dialogs.js";
import { h, iconButton } from "./dom.js";
import { shareDialog } from "./share_dialog.js";
import { broadcast } from "./tabs.js";

const LONGEST_NAME = 200;
const LONGEST_INSTRUCTIONS = 32_000;

export class RoomHeader {
  #rooms;
  #room = null;
  #on;
  #title = h("h1", { dir: "auto" });
  #pin = iconButton("pin", "Pin", () => this.#try(() => this.#change({ pinned: !this.#room.pinned })));
  #archive = iconButton("archive", "Archive", () => this.#try(() => this.#archiveIt()));
  #tools = h("div", { class: "room-tools", role: "group", "aria-label": "This chat" },
    iconButton("note", "Instructions", () => this.#try(() => this.#instruct())),
    iconButton("share", "Share", () => shareDialog(this.#room)),
    iconButton("edit", "Rename", () => this.#try(() => this.#rename())), this.#pin, this.#archive,
    iconButton("trash", "Delete", () => this.#try(() => this.#delete())));

  /** `on.changed(room)` and `on.left()`, when the room is deleted. */
  constructor(rooms, on) {
    this.#rooms = rooms;
    this.#on = on;
    this.element = h("header", { class: "room-header" }, this.#title, this.#tools);
  }

  show(room) {
    this.#room = room;
    const name = room ? room.name : "New chat";
    if (this.#title.textContent !== name) this.#title.textContent = name;
    document.title = room?.name ? `${room.name} · parley` : "parley";
    this.#tools.hidden = room === null;
    for (const [control, isOn, labels] of [[this.#pin, room?.pinned, ["Pin", "Unpin"]], [this.#archive, room?.archived, ["Archive", "Unarchive"]]]) {
      control.classList.toggle("on", Boolean(isOn));
      control.title = labels[isOn ? 1 : 0];
      control.setAttribute("aria-label", control.title);
    }
  }

  /** Takes the name from the list, when the model has made a title. */
  refresh() {
    const listed = this.#room && this.#rooms.find(this.#room.id);
    if (listed && listed.name !== this.#room.name) this.show({ ...this.#room, name: listed.name });
  }

  #try(action) {
    return trying(action);
  }

  async #change(changes) {
    const room = await call("PATCH", `chatroom/${this.#room.id}`, { body: changes });
    this.#on.changed(room);
    await this.#rooms.changed(room);
    broadcast("rooms");
    broadcast("room", room.id);
    return room;
  }

  async #rename() {
    const name = await asked("Rename chat", "Name", { value: this.#room.name, action: "Rename", most: LONGEST_NAME });
    if (name?.trim()) await this.#change({ name });
  }

  async #instruct() {
    const instructions = await asked("Instructions", "What the model should know or do in this chat", {
      value: this.#room.instructions ?? "", long: true, required: false, most: LONGEST_INSTRUCTIONS,
    });
    if (instructions !== null) await this.#change({ instructions: instructions.trim() ? instructions : null });
  }

  async #archiveIt() {
    const { archived } = await this.#change({ archived: !this.#room.archived });
    notice(archived ? "Archived. It is under «Archived chats»." : "Back among the chats.");
  }

  async #delete() {
    const { id, name } = this.#room;
    if (!await confirmed("Delete this chat?", `«${name}» and all of its messages are deleted for good.`, "Delete")) return;
    await call("DELETE", `chatroom/${id}`);
    this.#rooms.removed(id);
    this.#on.left();
    broadcast("rooms");
    broadcast("room", id);
  }
}
