// The operator's page: statistics, accounts and deliveries of webhooks.

import { accountsSection } from "./admin_accounts.js";
import { ask, isSignedIn, signIn, signOut } from "./admin_api.js";
import { statsSection } from "./admin_stats.js";
import { webhooksSection } from "./admin_webhooks.js";
import { trying } from "./dialogs.js";
import { button, field, h, show } from "./dom.js";

const page = document.getElementById("page");

function start() {
  show(page, isSignedIn() ? desk() : tokenForm());
}

function tokenForm() {
  const token = h("input", { type: "password", required: true, autocomplete: "off", autofocus: true });
  const form = h("form", { onsubmit: (event) => {
    event.preventDefault();
    trying(async () => {
      signIn(token.value.trim());
      try {
        await ask("GET", "accounts?limit=1");
      } catch (error) {
        signOut();
        throw error;
      }
      start();
    });
  } }, field("Operator's token", token, "ADMIN_TOKEN of the server. It is forgotten when this tab is closed."), h("button", { class: "primary" }, "Sign in"));
  return h("main", { class: "sign-in" }, h("h1", {}, "parley"), form);
}

function desk() {
  const stats = h("section", { "aria-labelledby": "stats" }, h("h2", { id: "stats" }, "Last 30 days"));
  const accounts = h("section", { "aria-labelledby": "accounts" }, h("h2", { id: "accounts" }, "Accounts"));
  const webhooks = h("section", { "aria-labelledby": "webhooks" }, h("h2", { id: "webhooks" }, "Webhooks"));
  trying(() => statsSection(stats));
  trying(() => accountsSection(accounts));
  trying(() => webhooksSection(webhooks));
  const out = button("Sign out", () => {
    signOut();
    start();
  });
  return h("main", { class: "desk" }, h("header", {}, h("h1", {}, "parley: operator"), out), stats, accounts, webhooks);
}

start();
