// The deliveries of webhooks, and sending one again.

import { ask } from "./admin_api.js";
import { notice, trying } from "./dialogs.js";
import { button, h, show } from "./dom.js";
import { counted, moment } from "./words.js";

const STATES = ["", "failed", "pending", "delivered"];

export async function webhooksSection(section) {
  const list = new Deliveries();
  section.append(list.element);
  await list.load(null);
}

class Deliveries {
  #status = h("select", { "aria-label": "State", onchange: () => trying(() => this.load(null)) },
    STATES.map((state) => h("option", { value: state }, state || "every state")));
  #rows = h("tbody");
  #none = h("p", { class: "hint" }, "No deliveries.");
  #more = button("More deliveries", () => trying(() => this.load(this.#cursor)), { hidden: true });
  #cursor = null;

  constructor() {
    const head = ["Event", "Endpoint", "When", "State", ""].map((text) => h("th", { scope: "col" }, text));
    this.element = h("div", {}, this.#status, h("div", { class: "table", tabindex: "0", role: "group", "aria-label": "Webhook deliveries" },
      h("table", {}, h("thead", {}, h("tr", {}, head)), this.#rows)), this.#none, this.#more);
  }

  async load(cursor) {
    const status = this.#status.value;
    const parameters = new URLSearchParams({ limit: "20", ...(status ? { status } : {}), ...(cursor ? { cursor } : {}) });
    const page = await ask("GET", `webhooks?${parameters}`);
    const rows = page.items.map((delivery) => this.#row(delivery));
    if (cursor) this.#rows.append(...rows);
    else show(this.#rows, rows);
    this.#none.hidden = this.#rows.childElementCount > 0;
    this.#cursor = page.next_cursor;
    this.#more.hidden = !page.next_cursor;
  }

  #row({ id, type, endpoint, occurred_at: occurred, status, attempts, last_error: error }) {
    const again = button("Send again", () => trying(async () => {
      await ask("POST", `webhooks/${id}/redeliver`);
      notice("It is sent again.");
      await this.load(null);
    }));
    const state = h("td", {}, status, h("small", {}, ` ${counted(attempts, "attempt")}${error ? `. ${error}` : ""}`));
    return h("tr", {}, h("td", {}, type), h("td", {}, endpoint), h("td", {}, moment(occurred)), state, h("td", {}, status !== "pending" && again));
  }
}
