// The accounts: found, and what the operator does with one.

import { ask } from "./admin_api.js";
import { confirmed, dialog, notice, trying } from "./dialogs.js";
import { button, field, h, show } from "./dom.js";
import { plot } from "./plot.js";
import { counted, moment, number } from "./words.js";

const PAUSE_MILLISECONDS = 250;

export async function accountsSection(section) {
  const list = new Accounts();
  section.append(list.element);
  await list.load();
}

class Accounts {
  #query = h("input", { type: "search", "aria-label": "Search accounts", placeholder: "Email, number or id", oninput: () => this.#typed() });
  #rows = h("tbody");
  #more = button("More accounts", () => trying(() => this.#load(this.#cursor)), { hidden: true });
  #cursor = null;
  #timer = null;

  constructor() {
    const head = ["Account", "Name", "Plan", "Since", "State"].map((text) => h("th", { scope: "col" }, text));
    this.element = h("div", {}, h("search", {}, this.#query),
      h("div", { class: "table", tabindex: "0", role: "group", "aria-label": "Accounts" }, h("table", {}, h("thead", {}, h("tr", {}, head)), this.#rows)), this.#more);
  }

  load() {
    return this.#load(null);
  }

  async #load(cursor) {
    const query = this.#query.value.trim();
    const parameters = new URLSearchParams({ limit: "50", ...(query ? { q: query } : {}), ...(cursor ? { cursor } : {}) });
    const page = await ask("GET", `accounts?${parameters}`);
    // Something else has been typed since.
    if (query !== this.#query.value.trim()) return;
    const rows = page.items.map((account) => this.#row(account));
    if (cursor) this.#rows.append(...rows);
    else show(this.#rows, rows);
    this.#cursor = page.next_cursor;
    this.#more.hidden = !page.next_cursor;
  }

  #typed() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => trying(() => this.load()), PAUSE_MILLISECONDS);
  }

  #row(account) {
    const open = button(account.email ?? account.mobile_number, () => trying(() => opened(account.id, () => this.load())), { class: "link" });
    return h("tr", {}, h("td", {}, open), h("td", { dir: "auto" }, account.name ?? ""), h("td", {}, account.plan), h("td", {}, moment(account.created_at)),
      h("td", {}, account.suspended_at ? "Suspended" : ""));
  }
}

/** The dialog of one account; `changed` is called when it has changed. */
async function opened(id, changed) {
  const content = h("div", { class: "sections" });
  const path = `accounts/${id}`;
  const load = async () => show(content, sections(await ask("GET", path), act));
  const act = (action) => trying(async () => {
    await action(path);
    await load();
    await changed();
  });
  await load();
  const element = dialog("Account", content, h("footer", {}, button("Erase account", () => trying(async () => {
    if (!await confirmed("Erase this account?", "The account, its chats and its messages are deleted for good.", "Erase account")) return;
    await ask("DELETE", path);
    element.close();
    await changed();
  }), { class: "danger" })));
  element.classList.add("wide");
}

function sections(account, act) {
  const { usage, subscription, sessions, suspended_at: suspended } = account;
  const limit = usage.limit === null ? "no limit" : `of ${number(usage.limit)}`;
  return [
    h("section", {}, h("p", { dir: "auto" }, h("strong", {}, account.email ?? account.mobile_number), ` ${account.name ?? ""}`),
      h("p", {}, h("code", {}, account.id)), h("p", {}, `Since ${moment(account.created_at)}. ${suspended ? `Suspended since ${moment(suspended)}.` : ""}`),
      h("div", { class: "row" }, suspended
        ? button("Lift the suspension", () => act((path) => ask("PATCH", path, { suspended: false })))
        : button("Suspend", () => act((path) => ask("PATCH", path, { suspended: true }))))),
    h("section", {}, planForm(account, act), h("p", {}, `Subscription: ${subscription.status}`)),
    h("section", {}, h("h3", {}, "Usage"), h("p", {}, `${counted(usage.used, "message")} today, ${limit}. Tokens: ${number(usage.tokens.input)} read, ${number(usage.tokens.output)} written.`),
      plot("Messages", usage.history.toReversed().map(({ day, used }) => ({ day, value: used })))),
    h("section", {}, h("h3", {}, "Sessions"), h("p", {}, sessions.length ? `${sessions.length} live, the last one since ${moment(sessions[0].created_at)}.` : "None."),
      sessions.length > 0 && button("End all sessions", () => act(async (path) => {
        const { ended } = await ask("POST", `${path}/sessions/end`);
        notice(`${ended} ended.`);
      }))),
  ];
}

function planForm(account, act) {
  const plan = h("input", { value: account.plan_override ?? "auto", required: true, maxlength: 64 });
  return h("form", { onsubmit: (event) => {
    event.preventDefault();
    act((path) => ask("PATCH", path, { plan: plan.value.trim() }));
  } }, field("Plan", plan, "auto: the one that is paid for"), h("footer", {}, h("button", {}, "Set plan")));
}
