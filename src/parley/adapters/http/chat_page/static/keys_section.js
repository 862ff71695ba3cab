// The API keys of the account: made, shown once, and revoked.

import { call, pages } from "./api.js";
import { confirmed, dialog, trying } from "./dialogs.js";
import { button, field, h, iconButton, show } from "./dom.js";
import { copyText } from "./markdown.js";
import { day, moment } from "./words.js";

const DAY_MILLISECONDS = 86_400_000;
const MOST_CHARACTERS = 100;

export async function keysSection(section) {
  const list = h("ul", { class: "rows" });
  const load = async () => {
    const items = [];
    for await (const page of pages("user/keys?limit=100")) items.push(...page);
    show(list, items.length ? items.map((key) => row(key, load)) : [h("li", {}, h("small", {}, "No keys yet."))]);
  };
  section.append(h("p", {}, "Programs use a key to act for your account. Your plan and quota apply."), list, keyForm(load));
  await load();
}

function keyForm(load) {
  const name = h("input", { required: true, maxlength: MOST_CHARACTERS, autocomplete: "off", dir: "auto" });
  const days = h("select", {}, h("option", { value: "" }, "Never"), h("option", { value: "30" }, "In 30 days"),
    h("option", { value: "90" }, "In 90 days"), h("option", { value: "365" }, "In a year"));
  const form = h("form", { onsubmit: (event) => {
    event.preventDefault();
    trying(async () => {
      const expiry = days.value && { expires_at: new Date(Date.now() + days.value * DAY_MILLISECONDS).toISOString() };
      const made = await call("POST", "user/keys", { body: { name: name.value.trim(), ...expiry } });
      form.reset();
      showSecret(made);
      await load();
    });
  } }, field("What the key is for", name), field("Expires", days), h("footer", {}, h("button", {}, "Create key")));
  return form;
}

function showSecret({ name, key }) {
  const text = h("input", { value: key, readonly: true, dir: "ltr" });
  const copy = iconButton("copy", "Copy key", () => copyText(key, copy), { autofocus: true });
  const element = dialog(`The key «${name}»`, h("div", { class: "secret" }, field("Key", text, "Copy it now. It is not shown again."), copy),
    h("footer", {}, button("Done", () => element.close(), { class: "primary" })));
}

function row({ id, name, prefix, created_at: created, expires_at: expires, last_used_at: used }, load) {
  const facts = [`${prefix}…`, `created ${day(created)}`, used ? `last used ${moment(used)}` : "never used", expires && `expires ${day(expires)}`];
  const revoke = button("Revoke", () => trying(async () => {
    if (!await confirmed(`Revoke «${name}»?`, "Programs that use this key are refused from now on.", "Revoke key")) return;
    await call("DELETE", `user/keys/${id}`);
    await load();
  }), { "aria-label": `Revoke ${name}` });
  return h("li", {}, h("div", {}, h("strong", { dir: "auto" }, name), h("small", {}, facts.filter(Boolean).join(", "))), revoke);
}
