"""The settings that are secrets, or addresses that may hold one."""

SECRETS = frozenset(
    {
        "DATABASE_URL",
        "REDIS_URL",
        "JWT_SECRET",
        "METRICS_TOKEN",
        "SMTP_PASSWORD",
        "SMS_WEBHOOK_URL",
        "SMS_WEBHOOK_TOKEN",
        "STRIPE_SECRET_KEY",
        "STRIPE_WEBHOOK_SECRET",
        "GEMINI_API_KEY",
        "OPENAI_API_KEY",
        "GROQ_API_KEY",
    }
)
