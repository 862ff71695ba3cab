// Sharing a room: a copy of what is shown, at an address for everybody.

import { call } from "./api.js";
import { dialog, notice, trying } from "./dialogs.js";
import { button, field, h, show } from "./dom.js";
import { copyText } from "./markdown.js";
import { moment } from "./words.js";

export function shareDialog(room) {
  const path = `chatroom/${room.id}/share`;
  const result = h("div", { class: "shared" });
  const make = async () => {
    const { url, created_at: created } = await call("POST", path);
    const address = h("input", { value: url, readonly: true, onfocus: () => address.select() });
    const copy = button("Copy address", () => copyText(url, copy));
    show(result, field("Address", address, `Copy of ${moment(created)}`),
      h("div", { class: "row" }, copy, h("a", { href: url, target: "_blank", rel: "noopener" }, "Open")));
  };
  const end = async () => {
    try {
      await call("DELETE", path);
      notice("The shared copy is gone.");
    } catch (error) {
      if (error.status !== 404) throw error;
      notice("This chat is not shared.");
    }
    show(result);
  };
  dialog("Share", h("p", {}, "Everyone who has the address can read a copy of this chat as it is now. Sharing again renews the copy at the same address."),
    result, h("footer", {}, button("Stop sharing", () => trying(end)), button("Share", () => trying(make), { class: "primary" })));
}
