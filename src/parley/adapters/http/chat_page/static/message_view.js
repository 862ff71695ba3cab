// One message as an element.

import { button, h, iconButton, show } from "./dom.js";
import { MarkdownView, copyText } from "./markdown.js";
import { ending, moment, number } from "./words.js";

export const isLive = ({ status }) => status === "pending" || status === "generating";

export class MessageView {
  #actions;
  #body = h("div", { class: "body" });
  #ending = h("p", { class: "ending" });
  #tools = h("div", { class: "tools" });
  // One view for each part of a reply.
  #parts = [];

  /** `actions` has edit, regenerate, showSibling and rate, each with the message. */
  constructor(message, actions) {
    this.#actions = actions;
    const author = message.role === "user" ? "You" : "Reply";
    this.element = h("article", { class: `message ${message.role}`, id: `m-${message.id}`, tabindex: "-1" },
      h("h3", { class: "unseen" }, author), this.#body, this.#ending, this.#tools);
    this.update(message);
  }

  update(message) {
    this.message = message;
    if (message.role === "user") this.#showText(message.content);
    else this.grow(message.parts);
    this.#showEnd();
  }

  /** Shows the parts of a reply under way. */
  grow(parts) {
    if (parts.length < this.#parts.length || this.#parts.some(({ type }, index) => parts[index].type !== type)) this.#clear();
    parts.forEach((part, index) => (this.#parts[index] ?? this.#addPart(part.type)).markdown.show(part.text));
    const thinks = isLive(this.message) && parts.at(-1)?.type !== "text";
    this.element.classList.toggle("waiting", isLive(this.message) && parts.length === 0);
    for (const { summary } of this.#parts) if (summary) summary.textContent = thinks ? "Thinking…" : "Reasoning";
  }

  /** The texts of blocks that were not returned before: of the complete ones, and at the end of all. */
  unannounced() {
    return this.#parts.filter(({ type }) => type === "text").flatMap((part) => {
      const blocks = [...part.markdown.element.children];
      const end = isLive(this.message) ? part.markdown.complete : blocks.length;
      const texts = blocks.slice(part.announced, end).map((block) => block.textContent);
      part.announced = end;
      return texts;
    });
  }

  /** Shows a form with the text instead of the message; `done(text)` has null when it stays as it was. */
  edit(value, done) {
    const text = h("textarea", { value, rows: 3, "aria-label": "Message", dir: "auto" });
    const finish = (result) => {
      this.element.classList.remove("editing");
      this.#showText(this.message.content);
      done(result);
    };
    text.addEventListener("keydown", (event) => {
      if (event.key === "Escape") finish(null);
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      form.requestSubmit();
    });
    const form = h("form", { onsubmit: (event) => {
      event.preventDefault();
      if (text.value.trim()) finish(text.value);
    } }, text, h("footer", {}, button("Cancel", () => finish(null)), h("button", { class: "primary" }, "Send")));
    this.element.classList.add("editing");
    show(this.#body, form);
    text.focus();
  }

  #showText(text) {
    show(this.#body, h("p", { class: "plain", dir: "auto" }, text));
  }

  #clear() {
    this.#parts = [];
    show(this.#body);
  }

  #addPart(type) {
    const text = h("div", { class: "markdown" });
    const summary = type === "reasoning" ? h("summary", {}, "Thinking…") : null;
    this.#body.append(summary ? h("details", { class: "reasoning" }, summary, text) : text);
    const part = { type, summary, markdown: new MarkdownView(text), announced: 0 };
    this.#parts.push(part);
    return part;
  }

  #showEnd() {
    const { message } = this;
    const live = isLive(message);
    this.element.setAttribute("aria-busy", String(live));
    this.element.classList.toggle("waiting", live && message.parts.length === 0);
    const text = live ? "" : ending(message);
    const again = message.status === "failed" && button("Try again", () => this.#actions.regenerate(message), { class: "link" });
    this.#ending.classList.toggle("error", message.status === "failed");
    show(this.#ending, text && [text, " ", again]);
    // Reserved while the reply is written, so that nothing moves at its end.
    this.#tools.classList.toggle("reserved", live);
    // The buttons are made anew; users of the keyboard stay where they are.
    const focused = this.#tools.contains(document.activeElement) && document.activeElement.getAttribute("aria-label");
    show(this.#tools, live ? [h("span", {}, "\u00a0")] : this.#toolsOf(message));
    if (focused) this.#tools.querySelector(`[aria-label="${focused}"]`)?.focus();
  }

  #toolsOf(message) {
    const copy = message.content && iconButton("copy", "Copy", () => copyText(message.content, copy));
    // A failure is tried again, not rated.
    const rated = message.status !== "failed";
    const own = message.role === "user"
      ? [iconButton("edit", "Edit", () => this.#actions.edit(this))]
      : [iconButton("again", "Regenerate", () => this.#actions.regenerate(message)), rated && this.#rating("up", "Good answer"),
        rated && this.#rating("down", "Bad answer"), h("span", { class: "facts", title: facts(message) }, message.model ?? "")];
    return [this.#branches(message), copy, ...own];
  }

  #rating(rating, label) {
    const given = this.message.feedback?.rating === rating;
    return iconButton(rating, label, () => this.#actions.rate(this.message, given ? null : rating), { "aria-pressed": String(given) });
  }

  #branches({ id, siblings: { index, count, ids } }) {
    if (count < 2) return null;
    const at = ids.indexOf(id);
    const arrow = (name, label, to) => iconButton(name, label, () => this.#actions.showSibling(to), { disabled: !to });
    return h("span", { class: "branches", role: "group", "aria-label": "Versions" }, arrow("left", "Previous version", ids[at - 1]),
      h("span", {}, `${index + 1} / ${count}`), arrow("right", "Next version", ids[at + 1]));
  }
}

function facts({ created_at: created, usage }) {
  const tokens = usage ? `, ${number(usage.output_tokens ?? 0)} tokens` : "";
  return `${moment(created)}${tokens}`;
}
