// Signing in by a code or a password.

import { NoAnswer, Problem, callAsStranger } from "./api.js";
import { button, field, h, show } from "./dom.js";
import { begin, deviceToken } from "./session.js";
import { words } from "./words.js";

/** The form: first the address, then the code that was sent to it. */
export function signInForm() {
  const form = new SignIn();
  return h("main", { class: "sign-in" }, h("h1", {}, "parley"), form.element);
}

class SignIn {
  #identity = h("input", { name: "identity", required: true, autocomplete: "username", autofocus: true, dir: "auto" });
  #secret = null;
  #challenge = null;
  #failure = h("p", { class: "error", role: "alert" });
  #rest = h("div", { class: "rest" });

  constructor() {
    this.element = h("form", { onsubmit: (event) => this.#submit(event) },
      field("Email or mobile number", this.#identity), this.#rest, this.#failure);
    this.#askForCode();
  }

  #askForCode() {
    this.#secret = this.#challenge = null;
    this.#fill(h("p", { class: "hint" }, "You get a code. A new address becomes an account."),
      button("Use a password", () => this.#askForPassword(), { class: "link" }));
  }

  #askForPassword() {
    this.#challenge = null;
    this.#secret = h("input", { type: "password", name: "password", required: true, autocomplete: "current-password" });
    this.#fill(field("Password", this.#secret), button("Forgot the password? Use a code", () => this.#askForCode(), { class: "link" }));
    if (this.#identity.value) this.#secret.focus();
  }

  #codeSent({ challenge, otp, message }) {
    this.#challenge = challenge;
    const hint = otp ? "This server shows codes: it is filled in." : message;
    this.#secret = h("input", { name: "code", required: true, inputmode: "numeric", autocomplete: "one-time-code", value: otp ?? "" });
    this.#fill(field("Code", this.#secret, hint),
      button("Send another code", () => this.#try(() => this.#sendCode()), { class: "link" }));
    this.#secret.focus();
  }

  #fill(...content) {
    const [first, ...others] = content;
    show(this.#rest, first, h("button", { class: "primary" }, "Sign in"), ...others);
    show(this.#failure);
  }

  #submit(event) {
    event.preventDefault();
    if (!this.#secret) return this.#try(() => this.#sendCode());
    const secret = this.#secret.value.trim();
    return this.#try(async () => {
      begin(await (this.#challenge
        ? callAsStranger("auth/verify-otp", this.#body({ otp: secret, challenge: this.#challenge }))
        : callAsStranger("auth/login", this.#body({ password: this.#secret.value }))));
    });
  }

  async #sendCode() {
    this.#codeSent(await callAsStranger("auth/send-otp", this.#body({})));
  }

  #body(fields) {
    const identity = this.#identity.value.trim();
    return { [identity.includes("@") ? "email" : "mobile_number"]: identity, device_token: deviceToken(), ...fields };
  }

  async #try(action) {
    const controls = this.element.querySelectorAll("button");
    for (const control of controls) control.disabled = true;
    try {
      show(this.#failure);
      await action();
    } catch (error) {
      if (!(error instanceof Problem || error instanceof NoAnswer)) throw error;
      show(this.#failure, words(error));
      // To be corrected at once.
      (this.#secret ?? this.#identity).select();
    } finally {
      for (const control of controls) control.disabled = false;
    }
  }
}
