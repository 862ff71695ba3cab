"""Finding texts by their terms: one statement for each database, which reads an account's sections, newest first."""

from collections.abc import Sequence

from sqlalchemy import Text, and_, bindparam, case, cast, column, func, literal_column, select, table, true
from sqlalchemy.dialects.postgresql import TSQUERY

from parley.adapters.sql.engine.search_tables import search_sections, search_texts
from parley.adapters.sql.engine.statements import PerDatabase
from parley.adapters.sql.engine.tables import Id, messages, rooms
from parley.core.chat.search_store import RANKED
from parley.core.chat.search_terms import Term

# Names come before messages, whose ranks are far below this.
_NAME_WEIGHT = 1_000

_own_sections = search_sections.c.account_id == bindparam("account", type_=Id)
_up_to = search_texts.c.number <= bindparam("up_to", type_=search_texts.c.number.type)
_query = bindparam("terms_wanted", type_=Text())

# PostgreSQL: section by section, newest first, until there are RANKED matches.
_sections = (
    select(cast(func.replace(_query, "{}", cast(search_sections.c.number, Text)), TSQUERY).label("wanted"))
    .where(_own_sections)
    .order_by(search_sections.c.number.desc())
    .subquery("sections")
)
# All of a section, by the index of terms: with the order and limit of the newest, the planner would rather read texts
# from the newest on until it has enough, which for a rare word are all of them. OFFSET keeps the two apart.
_of_section = (
    select(search_texts.c.number, search_texts.c.room_id, search_texts.c.position, search_texts.c.terms)
    .where(search_texts.c.terms.bool_op("@@")(_sections.c.wanted), _up_to)
    .correlate(_sections)
    .offset(0)
    .lateral("of_section")
)
_newest_of_section = (
    select(_of_section)
    .correlate(_sections)
    .order_by(_of_section.c.number.desc())
    .limit(RANKED)
    .lateral("newest_of_section")
)
_newest_matches = (
    select(_newest_of_section, _sections.c.wanted)
    .select_from(_sections.join(_newest_of_section, true()))
    .limit(RANKED)
    .subquery("newest")
)
# The logarithm of the length divides the rank (normalization 1).
_ranked_by_postgresql = select(
    _newest_matches.c.number,
    _newest_matches.c.room_id,
    _newest_matches.c.position,
    (
        func.ts_rank(_newest_matches.c.terms, _newest_matches.c.wanted, 1)
        * case((_newest_matches.c.position == 0, _NAME_WEIGHT), else_=1)
    ).label("rank"),
)
# SQLite: bm25 is less for a better match.
_words = table("search_words", column("rowid"))
_ranked_by_sqlite = (
    select(
        search_texts.c.number,
        search_texts.c.room_id,
        search_texts.c.position,
        (-literal_column("bm25(search_words)") * case((search_texts.c.position == 0, _NAME_WEIGHT), else_=1)).label(
            "rank"
        ),
    )
    .select_from(search_sections.join(_words, true()).join(search_texts, search_texts.c.number == _words.c.rowid))
    .where(
        _own_sections,
        literal_column("search_words").op("MATCH")(func.replace(_query, "{}", cast(search_sections.c.number, Text))),
        _up_to,
    )
    .order_by(search_texts.c.number.desc())
    .limit(RANKED)
)
FIND = PerDatabase(
    **{
        database: select(best.c.room_id, messages.c.id)
        .select_from(
            best.join(rooms, and_(rooms.c.id == best.c.room_id, rooms.c.account_id == bindparam("account", type_=Id)))
            .outerjoin(messages, and_(messages.c.room_id == best.c.room_id, messages.c.position == best.c.position))
        )
        .order_by(best.c.rank.desc(), best.c.number.desc())
        for database, best in (
            (
                database,
                select(ranked)
                .order_by(ranked.c.rank.desc(), ranked.c.number.desc())
                .limit(bindparam("most"))
                .offset(bindparam("skip"))
                .subquery("best"),
            )
            for database, ranked in (
                ("postgresql", _ranked_by_postgresql.subquery("ranked")),
                ("sqlite", _ranked_by_sqlite.subquery("ranked")),
            )
        )
    }
)  # fmt: skip


# Terms hold letters, digits, marks and pictographs: nothing to be escaped in either language.


def tsquery(terms: Sequence[Term]) -> str:
    return " & ".join(f"'{{}}:{term.text}'{':*' if term.is_prefix else ''}" for term in terms)


def fts5_query(terms: Sequence[Term]) -> str:
    return " AND ".join(f'"{{}}:{term.text}"{" *" if term.is_prefix else ""}' for term in terms)
