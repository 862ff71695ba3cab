// The page of somebody who has signed in: rooms on one side, the conversation on the other.

import { account, loadAccount, loadModels } from "./account.js";
import { accountDialog } from "./account_dialog.js";
import { call } from "./api.js";
import { forgetDraft } from "./composer.js";
import { Conversation } from "./conversation.js";
import { notice, trying } from "./dialogs.js";
import { button, h, icon, iconButton } from "./dom.js";
import { Rooms } from "./rooms.js";
import * as session from "./session.js";
import { received } from "./tabs.js";

// Of payments, whose news come by a webhook.
const PLAN_TRIES = 10;
const PLAN_MILLISECONDS = 1_500;

export class Chat {
  #stopping = new AbortController();
  #name = h("span", { dir: "auto" });
  #rooms = new Rooms();
  #conversation = new Conversation(this.#rooms);

  constructor() {
    const side = h("nav", { id: "side", "aria-label": "Chats" },
      h("div", { class: "side-head" }, h("span", { class: "brand" }, "parley"),
        iconButton("close", "Close chats", () => this.#fold(), { class: "icon-button narrow-only" })),
      h("button", { type: "button", class: "new-chat", onclick: () => this.#go("") }, icon("plus"), "New chat"),
      this.#rooms.element,
      h("div", { class: "side-foot" },
        h("button", { type: "button", class: "account", onclick: () => this.#openAccount() }, icon("user"), h("span", { class: "unseen" }, "Account"), this.#name),
        button("Sign out", () => this.#signOut())));
    const open = iconButton("menu", "Chats", () => this.#unfold(), { class: "icon-button narrow-only", "aria-controls": "side" });
    this.#conversation.header.prepend(open);
    this.element = h("div", { class: "chat" }, side, h("div", { class: "shade", onclick: () => this.#fold() }), this.#conversation.element);
    this.#listen();
  }

  /** Loads everything. What is shown until then needs no answer of the server. */
  open() {
    this.#route();
    trying(() => this.#rooms.load());
    trying(() => Promise.all([loadAccount(), loadModels()]));
    trying(() => this.#returned());
  }

  close() {
    this.#stopping.abort();
    this.#conversation.close();
  }

  /** After an interruption, or a while in the background. */
  refresh() {
    trying(() => Promise.all([this.#rooms.load(), this.#conversation.refresh(), loadAccount()]));
  }

  #listen() {
    const { signal } = this.#stopping;
    addEventListener("hashchange", () => this.#route(), { signal });
    // Also a room that is shown already.
    this.#rooms.element.addEventListener("click", ({ target }) => target.closest("a") && this.#fold(), { signal });
    addEventListener("keydown", (event) => event.key === "Escape" && this.#fold(), { signal });
    document.addEventListener("visibilitychange", () => document.hidden || this.refresh(), { signal });
    received.addEventListener("rooms", () => trying(() => this.#rooms.load()), { signal });
    received.addEventListener("room", ({ detail }) => trying(() => this.#conversation.changedElsewhere(detail)), { signal });
    received.addEventListener("account", () => trying(loadAccount), { signal });
    account.changes.addEventListener("change", () => {
      this.#name.textContent = account.user ? (account.user.name ?? account.user.email ?? account.user.mobile_number) : "";
    }, { signal });
  }

  /** `#/ROOM` shows a room, `#/ROOM/MESSAGE` a message in it. */
  #route() {
    const [, room, message] = location.hash.split("/");
    this.#fold();
    this.#rooms.select(room ?? null);
    trying(() => this.#conversation.open(room || null, message));
  }

  #go(hash) {
    if (location.hash.slice(1) === hash) this.#route();
    else location.hash = hash;
  }

  #unfold() {
    this.element.classList.add("unfolded");
    this.element.querySelector("#side button").focus();
  }

  #fold() {
    this.element.classList.remove("unfolded");
  }

  #openAccount() {
    this.#fold();
    accountDialog();
  }

  async #signOut() {
    // Ended here whatever the server says.
    await trying(() => call("POST", "auth/logout"));
    session.end();
    forgetDraft();
    history.replaceState(null, "", location.pathname);
  }

  /** Back from a payment, the plan changes in a moment. */
  async #returned() {
    const outcome = new URLSearchParams(location.search).get("checkout");
    if (!outcome) return;
    history.replaceState(null, "", location.pathname + location.hash);
    if (outcome !== "done") {
      notice("Nothing was paid. Your plan has not changed.");
      return;
    }
    const { plan, status } = await this.#subscription();
    const { items: plans } = await call("GET", "plans");
    const title = plans.find(({ name }) => name === plan)?.title ?? plan;
    notice(status === "none" ? "Thank you. Your plan changes in a moment." : `Thank you. Your plan is now ${title}.`);
    await loadAccount();
  }

  async #subscription() {
    let subscription = null;
    for (let tries = 0; tries < PLAN_TRIES; tries += 1) {
      subscription = await call("GET", "subscription/status");
      if (subscription.status !== "none") break;
      await new Promise((resolve) => setTimeout(resolve, PLAN_MILLISECONDS));
    }
    return subscription;
  }
}
