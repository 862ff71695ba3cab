// The list of rooms, and the search over them.

import { call } from "./api.js";
import { trying } from "./dialogs.js";
import { button, h, icon, show } from "./dom.js";

const SEARCH_MILLISECONDS = 200;
// The model makes a title after the first reply.
const TITLE_MILLISECONDS = [500, 2_000, 5_000, 15_000];

export class Rooms {
  #items = [];
  #cursor = null;
  #archived = false;
  #selected = null;
  #loading = null;
  #titled = new Set();
  #searching = null;
  #timer = null;
  #list = h("ul", { class: "rooms" });
  #more = button("More chats", () => trying(() => this.#loadMore()), { class: "link", hidden: true });
  #search = h("input", { type: "search", placeholder: "Search", "aria-label": "Search", maxlength: 200, dir: "auto",
    oninput: () => this.#typed() });
  #which = button("Archived chats", () => this.#switch(), { class: "link", "aria-pressed": "false" });

  /** Events "change": the rooms are others. */
  changes = new EventTarget();

  constructor() {
    this.element = h("div", { class: "room-list" }, h("search", {}, this.#search),
      h("div", { class: "scroll", tabindex: "-1" }, this.#list, this.#more), this.#which);
  }

  /** Loads the first page. A call during another one has its answer. */
  load() {
    this.#loading ??= this.#loadFirst().finally(() => {
      this.#loading = null;
    });
    return this.#loading;
  }

  find(id) {
    return this.#items.find((room) => room.id === id) ?? null;
  }

  select(id) {
    this.#selected = id;
    for (const link of this.#list.querySelectorAll("a")) mark(link, id);
  }

  /** A room is new or has changed: it is shown so at once, and the server is asked for the rest. */
  changed(room) {
    this.#items = this.#items.map((each) => (each.id === room.id ? { ...each, ...room } : each));
    this.#show();
    return this.load();
  }

  removed(id) {
    this.#items = this.#items.filter((each) => each.id !== id);
    this.#show();
  }

  /** Asks for the title that the model makes after the first reply, until it is there. */
  async awaitTitle(id) {
    if (this.#titled.has(id)) return;
    this.#titled.add(id);
    const name = this.find(id)?.name;
    for (const pause of TITLE_MILLISECONDS) {
      await new Promise((resolve) => setTimeout(resolve, pause));
      if (!this.element.isConnected) return;
      await this.load();
      if (this.find(id)?.name !== name) return;
    }
  }

  async #loadFirst() {
    const page = await call("GET", this.#path());
    const known = new Map(this.#items.map((room) => [room.id, room]));
    page.items.forEach((room) => known.delete(room.id));
    // Of the pages behind, those stay that were loaded; which of them are gone is seen when they are opened.
    const behind = page.next_cursor && this.#cursor ? [...known.values()] : [];
    if (!behind.length) this.#cursor = page.next_cursor;
    this.#items = [...page.items, ...behind];
    if (!this.#searching) this.#show();
    this.changes.dispatchEvent(new Event("change"));
  }

  async #loadMore() {
    const page = await call("GET", `${this.#path()}&cursor=${encodeURIComponent(this.#cursor)}`);
    const known = new Set(this.#items.map((room) => room.id));
    this.#items.push(...page.items.filter((room) => !known.has(room.id)));
    this.#cursor = page.next_cursor;
    this.#show();
  }

  #path() {
    return `chatroom?limit=50${this.#archived ? "&archived=true" : ""}`;
  }

  #switch() {
    this.#archived = !this.#archived;
    this.#which.setAttribute("aria-pressed", String(this.#archived));
    [this.#items, this.#cursor] = [[], null];
    this.#show();
    trying(() => this.load());
  }

  #show() {
    if (this.#searching) return;
    const links = new Map([...this.#list.children].map((item) => [item.dataset.id, item]));
    const items = this.#items.map((room) => shown(links.get(room.id) ?? item(room.id), room, this.#selected));
    if (items.length) show(this.#list, items);
    else show(this.#list, h("li", { class: "hint" }, this.#archived ? "No archived chats." : "No chats yet."));
    this.#more.hidden = !this.#cursor;
  }

  #typed() {
    clearTimeout(this.#timer);
    this.#searching?.abort();
    this.#searching = null;
    if (!this.#search.value.trim()) {
      this.#show();
      return;
    }
    this.#searching = new AbortController();
    this.#timer = setTimeout((query, signal) => trying(() => this.#find(query, signal)), SEARCH_MILLISECONDS,
      this.#search.value.trim(), this.#searching.signal);
  }

  async #find(query, signal, cursor = null) {
    const path = `search?q=${encodeURIComponent(query)}&limit=20${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`;
    const { items, next_cursor: next } = await call("GET", path, { signal });
    const more = button("More", () => {
      more.parentElement.remove();
      trying(() => this.#find(query, signal, next));
    }, { class: "link" });
    const found = items.map(foundItem);
    this.#more.hidden = true;
    if (!cursor) show(this.#list, found.length ? found : h("li", { class: "hint" }, "Nothing found."));
    else this.#list.append(...found);
    if (next) this.#list.append(h("li", {}, more));
  }
}

function item(id) {
  const link = h("a", { href: `#/${id}` }, h("span", { class: "pin" }), h("span", { class: "name", dir: "auto" }),
    h("span", { class: "last", dir: "auto" }));
  return h("li", { "data-id": id }, link);
}

function shown(node, room, selected) {
  const [pin, name, last] = node.firstElementChild.children;
  if (name.textContent !== room.name) name.textContent = room.name;
  if (room.pinned !== (pin.childElementCount > 0)) show(pin, room.pinned && [icon("pin"), h("span", { class: "unseen" }, "Pinned")]);
  const text = room.last_message?.replace(/\s+/g, " ") ?? "";
  if (last.textContent !== text) last.textContent = text;
  mark(node.firstElementChild, selected);
  return node;
}

function mark(link, selected) {
  if (link.hash === `#/${selected}`) link.setAttribute("aria-current", "page");
  else link.removeAttribute("aria-current");
}

function foundItem({ chatroom, message, snippet, highlights }) {
  const address = message ? `#/${chatroom.id}/${message.id}` : `#/${chatroom.id}`;
  return h("li", {}, h("a", { href: address, class: "found" }, h("span", { class: "name", dir: "auto" }, message ? chatroom.name : highlighted(snippet, highlights)),
    message && h("span", { class: "snippet", dir: "auto" }, highlighted(snippet, highlights))));
}

/** `highlights` count code points. */
function highlighted(text, highlights) {
  const characters = [...text];
  const part = (start, end) => characters.slice(start, end).join("");
  const nodes = [];
  let at = 0;
  for (const [start, end] of highlights) {
    nodes.push(part(at, start), h("mark", {}, part(start, end)));
    at = end;
  }
  return [...nodes, part(at)];
}
