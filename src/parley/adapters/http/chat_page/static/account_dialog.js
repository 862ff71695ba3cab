// The account: profile, plan and usage, sessions, API keys, password, export and erasure.

import { account, changed, loadAccount } from "./account.js";
import { call, pages, send } from "./api.js";
import { asked, confirmed, dialog, notice, trying } from "./dialogs.js";
import { button, field, h, show } from "./dom.js";
import { keysSection } from "./keys_section.js";
import { plansSection } from "./plans_section.js";
import { plot } from "./plot.js";
import * as session from "./session.js";
import { broadcast } from "./tabs.js";
import { counted, moment, number } from "./words.js";

/** Opens it, at the section that is named. */
export function accountDialog(section = null) {
  const sections = {
    profile: h("section", {}, h("h3", {}, "Profile")),
    usage: h("section", {}, h("h3", {}, "Usage")),
    plans: h("section", {}, h("h3", {}, "Plan")),
    sessions: h("section", {}, h("h3", {}, "Sessions")),
    keys: h("section", {}, h("h3", {}, "API keys")),
    password: h("section", {}, h("h3", {}, "Password")),
    data: h("section", {}, h("h3", {}, "Your data"), dataButtons()),
  };
  const element = dialog("Account", h("div", { class: "sections" }, Object.values(sections)));
  element.classList.add("wide");
  trying(async () => {
    await loadAccount();
    sections.profile.append(profile());
    sections.usage.append(...usage());
    sections.password.append(passwordForm());
    await Promise.all([plansSection(sections.plans), sessionsSection(sections.sessions), keysSection(sections.keys)]);
    sections[section]?.scrollIntoView();
  });
}

function profile() {
  const { user } = account;
  const name = h("input", { value: user.name ?? "", maxlength: 200, autocomplete: "name", dir: "auto" });
  return h("form", { onsubmit: (event) => {
    event.preventDefault();
    trying(async () => {
      account.user = await call("PATCH", "user/me", { body: { name: name.value.trim() || null } });
      changed();
      broadcast("account");
      notice("Saved.");
    });
  } }, h("p", { dir: "auto" }, user.email ?? user.mobile_number), field("Name", name), h("footer", {}, h("button", {}, "Save name")));
}

function usage() {
  const { limit, used, tokens, history, token_quota: quotas } = account.usage;
  const today = limit === null ? `${counted(used, "message")} today.` : `${number(used)} of ${number(limit)} messages today.`;
  const allowed = Object.entries(quotas ?? {}).filter(([, each]) => each.limit !== null)
    .map(([span, each]) => h("p", {}, `${number(each.remaining)} of ${number(each.limit)} tokens left this ${span}, until ${moment(each.resets_at)}.`));
  return [...allowed, h("p", {}, `${today} Tokens: ${number(tokens.input)} read, ${number(tokens.output)} written.`), plot("Messages", history.toReversed().map(({ day, used: value }) => ({ day, value })))];
}

async function sessionsSection(section) {
  const list = h("ul", { class: "rows" });
  section.append(list);
  const load = async () => {
    const items = [];
    for await (const page of pages("auth/sessions?limit=100")) items.push(...page);
    show(list, items.map((each) => row(each, load)));
  };
  await load();
}

function row(each, load) {
  const end = button("End", () => trying(async () => {
    await call("DELETE", `auth/sessions/${each.id}`);
    await load();
  }), { "aria-label": `End the session of ${moment(each.created_at)}` });
  const facts = `Since ${moment(each.created_at)} by ${each.opened_by}, last used ${moment(each.last_used_at)}`;
  return h("li", {}, h("div", {}, h("strong", {}, device(each.user_agent)), h("small", {}, facts)), each.current ? h("em", {}, "This one") : end);
}

/** A browser and a system out of a User-Agent, as far as that says. */
function device(agent) {
  const browser = /(Edg|OPR|Firefox|Chrome|Safari)\//.exec(agent ?? "")?.[1];
  const system = /(Windows|Android|iPhone|iPad|Mac OS X|CrOS|Linux)/.exec(agent ?? "")?.[1];
  const names = { Edg: "Edge", OPR: "Opera", "Mac OS X": "macOS", CrOS: "ChromeOS" };
  if (!browser) return agent?.slice(0, 60) ?? "Unknown device";
  return [names[browser] ?? browser, system && (names[system] ?? system)].filter(Boolean).join(" on ");
}

function passwordForm() {
  const isSet = account.user.password_set;
  const current = h("input", { type: "password", autocomplete: "current-password" });
  const next = h("input", { type: "password", required: true, minlength: 8, maxlength: 128, autocomplete: "new-password" });
  const form = h("form", { onsubmit: (event) => {
    event.preventDefault();
    trying(async () => {
      const body = { new_password: next.value, ...(current.value ? { current_password: current.value } : {}) };
      await call("POST", "auth/change-password", { body });
      form.reset();
      notice("The password is set. All other sessions have ended.");
    });
  } }, h("input", { class: "unseen", autocomplete: "username", value: account.user.email ?? account.user.mobile_number, readonly: true, tabindex: "-1", "aria-hidden": "true" }),
  isSet && field("Current password", current, "Not needed within ten minutes of a sign-in by code"),
  field("New password", next, "At least 8 characters"), h("footer", {}, h("button", {}, isSet ? "Change password" : "Set password")));
  return form;
}

function dataButtons() {
  return h("div", { class: "row" }, button("Export", () => trying(exported)),
    button("Delete account", () => trying(erase), { class: "danger" }));
}

async function exported() {
  const response = await send("GET", "user/me/export");
  const url = URL.createObjectURL(await response.blob());
  h("a", { href: url, download: "parley-export.json" }).click();
  // The download has begun by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

async function erase() {
  if (!await confirmed("Delete your account?", "The account, all chats and all messages are deleted for good, and a subscription ends.", "Delete account")) return;
  try {
    await call("DELETE", "user/me");
  } catch (error) {
    if (error.code !== "proof_required") throw error;
    const password = await asked("Prove that it is you", "Password", {
      action: "Delete account", type: "password", hint: "Without one: sign out, sign in by a code, and delete within ten minutes.",
    });
    if (password === null) return;
    await call("DELETE", "user/me", { body: { current_password: password } });
  }
  for (const open of document.querySelectorAll("dialog[open]")) open.close();
  session.end();
}
