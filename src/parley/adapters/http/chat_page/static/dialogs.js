// Questions to the user, and short notices.

import { NoAnswer, Problem } from "./api.js";
import { button, field, h, iconButton } from "./dom.js";
import { words } from "./words.js";

const NOTICE_MILLISECONDS = 8_000;

/** Opens a dialog with a title; it is removed when it closes. */
export function dialog(title, ...content) {
  const close = iconButton("close", "Close", () => element.close());
  const heading = h("h2", { id: `title-${performance.now()}` }, title);
  const element = h("dialog", { "aria-labelledby": heading.id }, h("header", {}, heading, close), ...content);
  element.addEventListener("close", () => element.remove());
  // A click beside it.
  element.addEventListener("click", (event) => event.target === element && element.close());
  document.body.append(element);
  element.showModal();
  return element;
}

/** Whether the user confirms. */
export function confirmed(title, text, action) {
  return new Promise((resolve) => {
    const yes = button(action, () => {
      resolve(true);
      element.close();
    }, { class: "danger" });
    const no = button("Cancel", () => element.close(), { autofocus: true });
    const element = dialog(title, h("p", {}, text), h("footer", {}, no, yes));
    element.addEventListener("close", () => resolve(false));
  });
}

/** The text that the user enters; null if the dialog is closed. `long` asks for several lines. */
export function asked(title, label, { value = "", action = "Save", long = false, hint = null, most, required = true, type = "text" } = {}) {
  return new Promise((resolve) => {
    const properties = { value, maxlength: most, required, autofocus: true, dir: "auto" };
    const control = long ? h("textarea", { ...properties, rows: 8 }) : h("input", { ...properties, type });
    const form = h("form", { onsubmit: (event) => {
      event.preventDefault();
      resolve(control.value);
      element.close();
    } }, field(label, control, hint), h("footer", {}, button("Cancel", () => element.close()), h("button", { class: "primary" }, action)));
    const element = dialog(title, form);
    control.select();
    element.addEventListener("close", () => resolve(null));
  });
}

/** Says something that goes away by itself. */
export function notice(text, kind = "") {
  const element = h("p", { class: `notice ${kind}` }, text);
  const modal = [...document.querySelectorAll("dialog[open]")].at(-1);
  // Behind an open dialog nobody would see it.
  (modal ?? document.getElementById("notices")).append(element);
  setTimeout(() => element.remove(), NOTICE_MILLISECONDS);
}

/** Runs what the user asked for, and says it when it fails. Returns undefined then. */
export async function trying(action) {
  try {
    return await action();
  } catch (error) {
    if (error instanceof Problem || error instanceof NoAnswer) notice(words(error), "error");
    else if (error.name !== "AbortError") throw error;
    return undefined;
  }
}
