// What happened each day, as plots.

import { ask } from "./admin_api.js";
import { h } from "./dom.js";
import { plot } from "./plot.js";

const DAYS = 30;
const sum = (counts) => Object.values(counts).reduce((total, count) => total + count, 0);
const PLOTS = {
  Messages: (each) => each.messages,
  "Active accounts": (each) => each.active_accounts,
  "New accounts": (each) => each.signups,
  "Tokens read": (each) => sum(Object.values(each.tokens).map(({ input }) => input)),
  "Tokens written": (each) => sum(Object.values(each.tokens).map(({ output }) => output)),
  "Failed replies": (each) => sum(each.failures),
};

export async function statsSection(section) {
  const { items } = await ask("GET", `stats?days=${DAYS}`);
  // The oldest on the left.
  const days = items.toSorted((one, other) => one.day.localeCompare(other.day));
  section.append(h("div", { class: "plots" }, Object.entries(PLOTS).map(([title, value]) =>
    plot(title, days.map((each) => ({ day: each.day, value: value(each) }))))));
  section.append(table("Plans", Object.entries(days.at(-1)?.plans ?? {})), table("Failures", totals(days, "failures")));
}

function totals(days, name) {
  const counts = new Map();
  for (const each of days) for (const [key, count] of Object.entries(each[name])) counts.set(key, (counts.get(key) ?? 0) + count);
  return [...counts].sort(([, one], [, other]) => other - one);
}

function table(title, rows) {
  if (!rows.length) return "";
  return h("table", {}, h("caption", {}, title), h("tbody", {}, rows.map(([name, count]) =>
    h("tr", {}, h("th", { scope: "row" }, name), h("td", { class: "end" }, String(count))))));
}
