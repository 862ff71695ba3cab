// The plans: which one is paid for, and which ones can be.

import { call } from "./api.js";
import { trying } from "./dialogs.js";
import { button, h } from "./dom.js";
import { day, number, price } from "./words.js";

export async function plansSection(section) {
  const [{ items: plans }, subscription] = await Promise.all([call("GET", "plans"), call("GET", "subscription/status")]);
  section.append(h("p", {}, standing(subscription, plans)), h("ul", { class: "rows" }, plans.map((plan) => row(plan, subscription))));
  if (subscription.status !== "none") {
    section.append(h("div", { class: "row" }, button("Manage subscription", () => trying(async () => {
      location.assign((await call("POST", "subscription/portal")).portal_url);
    }))));
  }
}

function standing({ plan, status, current_period_end: end, cancel_at_period_end: ends }, plans) {
  const title = plans.find(({ name }) => name === plan)?.title ?? plan;
  if (status === "none" || end === null) return `You have the plan ${title}.`;
  const what = status === "past_due" ? "The last payment failed. Paid until" : ends ? "It ends on" : "It renews on";
  return `You have the plan ${title}. ${what} ${day(end)}.`;
}

function row(plan, { plan: current }) {
  const limits = [
    plan.messages_per_day ? `${number(plan.messages_per_day)} messages a day` : "Messages without a daily limit",
    plan.tokens_per_day && `${number(plan.tokens_per_day)} tokens a day`,
    plan.tokens_per_month && `${number(plan.tokens_per_month)} tokens a month`,
  ].filter(Boolean).join(", ");
  const choices = plan.name === current ? h("em", {}, "Your plan")
    : h("div", { class: "choices" }, plan.prices.map((each) => choice(plan, each)));
  return h("li", {}, h("div", {}, h("strong", {}, plan.title), h("small", {}, limits)), choices);
}

function choice(plan, each) {
  const trial = each.trial_days ? `, ${each.trial_days} days free` : "";
  return button(`Subscribe: ${price(each)}${trial}`, () => trying(async () => {
    location.assign((await call("POST", `subscribe/${encodeURIComponent(plan.name)}`, { body: { price: each.id } })).checkout_url);
  }), { class: "primary" });
}
