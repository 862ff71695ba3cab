"""Complete objects as Stripe's API of 2026 returns them. A test compares their fields with the SDK's."""

from datetime import datetime
from typing import Any
from uuid import uuid4

VERSION = "2026-10-28.endive"
MONTH = 31 * 24 * 3600

StripeObject = dict[str, Any]

# Fields that are null unless set.
NULL = {
    "customer": "address business_name currency customer_account default_source description discount email "
    "individual_name name phone shipping test_clock",
    "checkout.session": "adaptive_pricing after_expiration allow_promotion_codes billing_address_collection "
    "branding_settings cancel_url client_reference_id client_secret collected_information consent consent_collection "
    "currency_conversion customer customer_account customer_creation customer_details customer_email "
    "excluded_payment_method_types integration_identifier invoice invoice_creation locale managed_payments "
    "name_collection optional_items origin_context payment_intent payment_link payment_method_configuration_details "
    "permissions presentment_details recovered_from redirect_on_completion return_url saved_payment_method_options "
    "setup_intent shipping_address_collection shipping_cost submit_type subscription success_url tax_id_collection "
    "wallet_options allowed_payment_method_types",
    "billing_portal.session": "after_expiration customer_account flow locale on_behalf_of return_url",
    "subscription": "application application_fee_percent billing_cycle_anchor_config billing_thresholds cancel_at "
    "canceled_at customer_account days_until_due default_payment_method default_source description ended_at "
    "latest_invoice managed_payments next_pending_invoice_item_invoice on_behalf_of pause_collection "
    "pending_invoice_item_interval pending_setup_intent pending_update presentment_details schedule status_details "
    "test_clock transfer_data trial_end trial_start",
    "subscription_item": "billed_until billing_thresholds current_trial",
    "price": "custom_unit_amount lookup_key nickname tiers_mode transform_quantity",
    "invoice": "account_country account_name account_tax_ids amount_paid_off_stripe application "
    "automatically_finalizes_at confirmation_secret custom_fields customer_account customer_address customer_email "
    "customer_name customer_phone customer_shipping default_payment_method default_source description due_date "
    "effective_at ending_balance footer from_invoice hosted_invoice_url invoice_pdf last_finalization_error "
    "latest_revision next_payment_attempt number on_behalf_of receipt_number rendering shipping_cost "
    "shipping_details statement_descriptor status_details test_clock threshold_reason webhooks_delivered_at",
}
# Fields that the API omits unless they are requested or apply.
ABSENT = {
    "customer": "cash_balance deleted invoice_credit_balance sources subscriptions tax tax_ids",
    "checkout.session": "discounts line_items",
    "subscription_item": "deleted",
    "price": "currency_options deleted tiers",
    "invoice": "deleted payments",
    "event": "account context",
}


def _new(kind: str, prefix: str, at: datetime | None, **fields: Any) -> StripeObject:
    nulls = dict.fromkeys(NULL.get(kind, "").split())
    created = {} if at is None else {"created": int(at.timestamp())}
    return {"id": f"{prefix}_{uuid4().hex}", "object": kind} | nulls | created | {"livemode": False} | fields


def listed(items: list[StripeObject], url: str, *, more: bool = False) -> StripeObject:
    return {"object": "list", "data": items, "has_more": more, "url": url}


def customer(given: StripeObject, at: datetime) -> StripeObject:
    invoices = {"custom_fields": None, "default_payment_method": None, "footer": None, "rendering_options": None}
    always = {"balance": 0, "delinquent": False, "invoice_prefix": "0A1B2C3D", "invoice_settings": invoices}
    rest = {"next_invoice_sequence": 1, "preferred_locales": [], "tax_exempt": "none", "metadata": {}}
    return _new("customer", "cus", at, **(always | rest | given))


def checkout_session(given: StripeObject, at: datetime, base: str) -> StripeObject:
    created = _new("checkout.session", "cs_test", at)
    money = {"amount_subtotal": 1200, "amount_total": 1200, "currency": "usd", "payment_status": "unpaid"}
    details = {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0}
    always = {
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "custom_fields": [],
        "custom_text": dict.fromkeys(("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")),
        "expires_at": int(at.timestamp()) + 24 * 3600,
        "payment_method_collection": "always",
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "phone_number_collection": {"enabled": False},
        "shipping_options": [],
        "status": "open",
        "total_details": details,
        "ui_mode": "hosted_page",
        "url": f"{base}/c/pay/{created['id']}",
        "metadata": {},
    }
    shown = {name: value for name, value in given.items() if name not in {"line_items", "subscription_data"}}
    return created | money | always | shown


def portal_session(given: StripeObject, at: datetime, base: str) -> StripeObject:
    created = _new("billing_portal.session", "bps", at, configuration="bpc_1")
    return created | {"url": f"{base}/p/session/{created['id']}"} | given


def price(price_id: str, at: datetime) -> StripeObject:
    recurring = {
        "interval": "year" if "year" in price_id else "month",
        "interval_count": 1,
        "meter": None,
        "trial_period_days": None,
    }
    money = {"currency": "usd", "unit_amount": 1200, "unit_amount_decimal": "1200", "recurring": recurring}
    how = {"active": True, "billing_scheme": "per_unit", "tax_behavior": "unspecified", "type": "recurring"}
    return _new("price", "price", at, product="prod_1", metadata={}, **money, **how) | {"id": price_id}


def subscription(customer_id: str, price_id: str, metadata: StripeObject, at: datetime) -> StripeObject:
    start = int(at.timestamp())
    made = _new("subscription", "sub", at, customer=customer_id, metadata=metadata, status="active")
    item = _new("subscription_item", "si", at, subscription=made["id"], price=price(price_id, at), quantity=1)
    item |= {"current_period_start": start, "current_period_end": start + MONTH, "plan": {"id": price_id}}
    item |= {"discounts": [], "metadata": {}, "tax_rates": []}
    del item["livemode"]
    return made | {
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": start,
        "billing_mode": {"flexible": None, "type": "classic"},
        "billing_schedules": [],
        "cancel_at_period_end": False,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "currency": "usd",
        "default_tax_rates": [],
        "discounts": [],
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": listed([item], f"/v1/subscription_items?subscription={made['id']}"),
        "payment_settings": {"payment_method_options": None, "payment_method_types": None},
        "start_date": start,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
    }


def invoice(of: StripeObject, at: datetime, *, paid: bool) -> StripeObject:
    amounts = {"amount_due": 1200, "amount_paid": 1200 * paid, "amount_remaining": 1200 * (not paid)}
    zeros = "amount_overpaid amount_shipping starting_balance pre_payment_credit_notes_amount"
    sums = dict.fromkeys(("subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax"), 1200)
    empty = (
        "default_tax_rates discounts customer_tax_ids total_discount_amounts total_pretax_credit_amounts total_taxes"
    )
    made = _new("invoice", "in", at, customer=of["customer"], metadata={}, status="paid" if paid else "open")
    details = {"metadata": of["metadata"], "subscription": of["id"], "subscription_proration_date": None}
    return (
        made
        | amounts
        | sums
        | dict.fromkeys(zeros.split(), 0)
        | {name: [] for name in empty.split()}
        | {
            "attempt_count": 1,
            "attempted": True,
            "auto_advance": not paid,
            "automatic_tax": of["automatic_tax"],
            "billing_reason": "subscription_cycle",
            "collection_method": "charge_automatically",
            "currency": "usd",
            "customer_tax_exempt": "none",
            "issuer": {"type": "self"},
            "lines": listed([], f"/v1/invoices/{made['id']}/lines"),
            "parent": {"quote_details": None, "subscription_details": details, "type": "subscription_details"},
            "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
            "period_end": int(at.timestamp()),
            "period_start": int(at.timestamp()),
            "post_payment_credit_notes_amount": 0,
            "status_transitions": dict.fromkeys(("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")),
        }
    )


def event(kind: str, resource: StripeObject, at: datetime) -> StripeObject:
    request = {"id": None, "idempotency_key": None}
    made = _new("event", "evt", at, api_version=VERSION, data={"object": resource}, type=kind, request=request)
    return made | {"pending_webhooks": 1}


def as_before_2025(resource: StripeObject) -> StripeObject:
    """The format of API versions before 2025-03-31, which webhook endpoints created then still receive."""
    if resource["object"] == "subscription":
        items = [dict(item) for item in resource["items"]["data"]]
        period = {name: items[0][name] for name in ("current_period_start", "current_period_end")}
        bare = [{name: value for name, value in item.items() if name not in period} for item in items]
        return resource | period | {"items": resource["items"] | {"data": bare}}
    if resource["object"] == "invoice":
        rest = {name: value for name, value in resource.items() if name != "parent"}
        return rest | {"subscription": resource["parent"]["subscription_details"]["subscription"]}
    return resource
