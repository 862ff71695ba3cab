// Where a message is written and sent.

import { account } from "./account.js";
import { accountDialog } from "./account_dialog.js";
import { button, h, icon, show } from "./dom.js";
import { moment, number, time } from "./words.js";

// The tab remembers what was not sent.
const DRAFT = "parley.draft";

export const forgetDraft = () => sessionStorage.removeItem(DRAFT);

export class Composer {
  #text = h("textarea", { rows: 1, placeholder: "Message", "aria-label": "Message", dir: "auto",
    value: sessionStorage.getItem(DRAFT) ?? "", onkeydown: (event) => this.#key(event), oninput: () => this.#changed() });
  #send = h("button", { class: "primary round", "aria-label": "Send", title: "Send" }, icon("send"));
  #stop = h("button", { type: "button", class: "round", "aria-label": "Stop", title: "Stop", hidden: true }, icon("stop"));
  #model = h("select", { "aria-label": "Model" });
  #quota = h("p", { class: "quota" });
  #sending = false;

  /** `onsend(text)` returns whether the text was accepted. */
  constructor({ onsend, onstop, onmodel }) {
    this.onsend = onsend;
    this.#stop.addEventListener("click", onstop);
    this.#model.addEventListener("change", () => onmodel(this.model));
    this.element = h("form", { class: "composer", onsubmit: (event) => this.#submit(event) },
      h("div", { class: "composer-box" }, this.#text, h("div", { class: "composer-row" }, this.#model, this.#stop, this.#send)),
      this.#quota);
    account.changes.addEventListener("change", () => this.#showAccount());
    this.#showAccount();
  }

  /** The chosen model; null for the default. */
  get model() {
    return this.#model.value || null;
  }

  set model(id) {
    if (id && ![...this.#model.options].some((option) => option.value === id)) this.#model.append(h("option", { value: id }, id));
    this.#model.value = id ?? "";
  }

  set running(isRunning) {
    this.#stop.hidden = !isRunning;
  }

  focus() {
    // A keyboard on the screen would cover what was opened.
    if (matchMedia("(hover: hover)").matches) this.#text.focus({ preventScroll: true });
  }

  async #submit(event) {
    event?.preventDefault();
    const text = this.#text.value;
    if (!text.trim() || this.#sending) return;
    this.#sending = true;
    this.#send.setAttribute("aria-disabled", "true");
    try {
      if (await this.onsend(text) && this.#text.value === text) this.#text.value = "";
      this.#changed();
    } finally {
      this.#sending = false;
      this.#send.removeAttribute("aria-disabled");
    }
  }

  #key(event) {
    // Enter also ends the composition of a character.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#submit();
  }

  #changed() {
    sessionStorage.setItem(DRAFT, this.#text.value);
    if (CSS.supports("field-sizing", "content")) return;
    this.#text.style.height = "auto";
    this.#text.style.height = `${this.#text.scrollHeight}px`;
  }

  #showAccount() {
    const { models, usage } = account;
    const chosen = this.#model.value;
    const standard = models.find((model) => model.default)?.id;
    show(this.#model, h("option", { value: "" }, standard ? `${standard} (default)` : "Default model"),
      models.filter(({ id }) => id !== standard).map(({ id }) => h("option", { value: id }, id)));
    this.model = chosen || null;
    this.#model.hidden = models.length < 2;
    show(this.#quota, usage && quota(usage));
  }
}

function quota({ limit, remaining, resets_at: resets, token_quota: tokens }) {
  const [span, spent] = Object.entries(tokens ?? {}).find(([, each]) => each.remaining === 0) ?? [];
  if (span === "day") return usedUp("Today's tokens are used up.", time(spent.resets_at));
  if (span === "month") return usedUp("This month's tokens are used up.", moment(spent.resets_at));
  if (limit === null) return [];
  if (remaining > 0) return [`${number(remaining)} of ${number(limit)} messages left today`];
  return usedUp("No messages left today.", time(resets));
}

const usedUp = (what, when) => [`${what} New ones come at ${when}. `, button("See plans", () => accountDialog("plans"), { class: "link" })];
