"""The stores of the webhooks module in SQL."""
