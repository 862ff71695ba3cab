"""The days of quotas, which are UTC's."""

from datetime import UTC, date, datetime, timedelta


def utc_day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def next_midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
