// The messages of a branch, of which only those near the view are elements.
//
// They stand in groups. A group that is far away is empty and keeps its height.

import { announce, h } from "./dom.js";
import { MessageView, isLive } from "./message_view.js";

const GROUP = 20;
const NEAR_PIXELS = 1500;
const END_PIXELS = 60;

export class Timeline {
  #actions;
  #messages = [];
  #groups = [];
  #views = new Map();
  #grown = new Map();
  #frame = null;
  #atEnd = true;
  #list = h("div", { class: "messages" });
  #near;
  #sizes = new ResizeObserver(() => this.#atEnd && this.#toEnd());

  /** `actions` are those of MessageView, and `older()`, called when the first message is near. */
  constructor(actions) {
    this.#actions = actions;
    this.element = h("div", { class: "timeline", tabindex: "0", role: "region", "aria-label": "Messages",
      onscroll: () => this.#scrolled() }, this.#list);
    const options = { root: this.element, rootMargin: `${NEAR_PIXELS}px 0px` };
    this.#near = new IntersectionObserver((entries) => this.#moved(entries), options);
    this.#sizes.observe(this.#list);
  }

  get messages() {
    return this.#messages;
  }

  get last() {
    return this.#messages.at(-1) ?? null;
  }

  /** Whether the first message is in view or near. */
  get isNearStart() {
    return this.element.scrollTop < NEAR_PIXELS;
  }

  find(id) {
    return this.#messages.find((message) => message.id === id) ?? null;
  }

  reset(messages) {
    this.#near.disconnect();
    this.#list.replaceChildren();
    this.#views.clear();
    this.#grown.clear();
    [this.#messages, this.#groups, this.#atEnd] = [[], [], true];
    for (const message of messages) this.append(message);
    this.#toEnd();
  }

  /** Older messages; what is in view stays where it is. */
  prepend(messages) {
    const before = this.element.scrollHeight;
    this.#messages = [...messages, ...this.#messages];
    const groups = [];
    for (let at = 0; at < messages.length; at += GROUP) groups.push(this.#group(messages.slice(at, at + GROUP)));
    this.#list.prepend(...groups.map(({ node }) => node));
    this.#groups.unshift(...groups);
    for (const group of groups) this.#fill(group);
    this.element.scrollTop += this.element.scrollHeight - before;
  }

  append(message) {
    this.#messages.push(message);
    let group = this.#groups.at(-1);
    if (!group || group.messages.length >= GROUP) {
      group = this.#group([]);
      this.#groups.push(group);
      this.#list.append(group.node);
    }
    group.messages.push(message);
    if (group.filled) group.node.append(this.#view(message).element);
  }

  /** A message of the same id in another state. */
  update(message) {
    const index = this.#messages.findIndex(({ id }) => id === message.id);
    if (index < 0) return;
    this.#messages[index] = message;
    const group = this.#groups.find(({ messages }) => messages.some(({ id }) => id === message.id));
    group.messages = group.messages.map((each) => (each.id === message.id ? message : each));
    this.#grown.delete(message.id);
    const view = this.#views.get(message.id);
    const wasLive = view && isLive(view.message);
    view?.update(message);
    if (wasLive) view.unannounced().forEach(announce);
  }

  /** Removes a message and all after it. */
  cut(id) {
    const index = this.#messages.findIndex((message) => message.id === id);
    if (index < 0) return;
    for (const { id: gone } of this.#messages.splice(index)) {
      this.#views.get(gone)?.element.remove();
      this.#views.delete(gone);
      this.#grown.delete(gone);
    }
    const stay = new Set(this.#messages.map((message) => message.id));
    for (const group of this.#groups) group.messages = group.messages.filter((message) => stay.has(message.id));
    for (const group of this.#groups.filter(({ messages }) => !messages.length)) {
      this.#near.unobserve(group.node);
      group.node.remove();
    }
    this.#groups = this.#groups.filter(({ messages }) => messages.length);
  }

  /** The parts of a reply under way; shown with the next frame. */
  grow(id, parts) {
    this.#grown.set(id, parts);
    this.#frame ??= requestAnimationFrame(() => this.#showGrown());
  }

  /** Scrolls to a message and marks it. */
  reveal(id) {
    const group = this.#groups.find(({ messages }) => messages.some((message) => message.id === id));
    if (!group) return;
    this.#atEnd = false;
    this.#fill(group);
    const { element } = this.#views.get(id);
    element.scrollIntoView({ block: "center" });
    element.classList.add("revealed");
    element.focus({ preventScroll: true });
  }

  toEnd() {
    this.#atEnd = true;
    this.#toEnd();
  }

  #showGrown() {
    this.#frame = null;
    for (const [id, parts] of this.#grown) {
      const message = this.find(id);
      if (message) message.parts = parts;
      const view = this.#views.get(id);
      view?.grow(parts);
      view?.unannounced().forEach(announce);
    }
    this.#grown.clear();
  }

  #group(messages) {
    const group = { messages, node: h("div", { class: "group" }), filled: true };
    this.#near.observe(group.node);
    for (const message of messages) group.node.append(this.#view(message).element);
    return group;
  }

  #view(message) {
    const view = new MessageView(message, this.#actions);
    this.#views.set(message.id, view);
    return view;
  }

  #moved(entries) {
    for (const { target, isIntersecting, boundingClientRect } of entries) {
      const group = this.#groups.find(({ node }) => node === target);
      if (!group || group.filled === isIntersecting) continue;
      if (isIntersecting) this.#fill(group);
      else if (!target.querySelector("form, :focus")) this.#empty(group, boundingClientRect.height);
    }
  }

  #fill(group) {
    if (group.filled) return;
    const { node } = group;
    const before = node.offsetHeight;
    const isAbove = node.offsetTop < this.element.scrollTop;
    node.style.height = "";
    node.append(...group.messages.map((message) => this.#view(message).element));
    group.filled = true;
    if (isAbove) this.element.scrollTop += node.offsetHeight - before;
  }

  #empty(group, height) {
    group.node.style.height = `${height}px`;
    group.node.replaceChildren();
    for (const { id } of group.messages) this.#views.delete(id);
    group.filled = false;
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.element;
    this.#atEnd = scrollHeight - scrollTop - clientHeight < END_PIXELS;
    if (this.isNearStart) this.#actions.older();
  }

  #toEnd() {
    this.element.scrollTop = this.element.scrollHeight;
  }
}
