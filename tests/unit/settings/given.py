"""Settings that tests begin with."""

SECRET = "a secret of at least thirty-two bytes"
PRODUCTION = {
    "ENVIRONMENT": "production",
    "JWT_SECRET": SECRET,
    "OPENAI_API_KEY": "a key",
    "CORS_ORIGINS": "https://example.com",
    "STRIPE_SECRET_KEY": "a key",
    "STRIPE_PRICE_ID": "price_pro",
    "FRONTEND_URL": "https://example.com",
    "METRICS_TOKEN": "a token of more than 16 characters",
    "TRUSTED_PROXIES": "none",
}
POSTGRES = {"DATABASE_URL": "postgresql://localhost/parley"}
MAIL = {
    "OTP_SENDER": "email",
    "SMTP_SERVER": "mail.acme.example",
    "SMTP_FROM": "Acme Chat <no-reply@acme.example>",
}
# As production wants it.
SAFE_SMS = {"OTP_SENDER": "sms", "SMS_WEBHOOK_URL": "https://gateway.example/messages", "SMS_COUNTRIES": "IN,US"}
SMS = {"OTP_SENDER": "sms", "SMS_WEBHOOK_URL": "https://gateway.example/messages"}
WEBHOOKS = {"WEBHOOK_URL": "https://hooks.example/parley", "WEBHOOK_SECRET": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"}
