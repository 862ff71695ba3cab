"""Finding texts by their terms: one statement for each database, which reads an account's sections, newest first."""

from collections.abc import Sequence

from sqlalchemy import (
    ARRAY,
    Integer,
    Text,
    and_,
    bindparam,
    case,
    cast,
    column,
    func,
    literal_column,
    or_,
    select,
    table,
    true,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from parley.adapters.sql.engine.search_tables import search_sections, search_texts
from parley.adapters.sql.engine.statements import PerDatabase, Statement
from parley.adapters.sql.engine.tables import Id, messages, rooms
from parley.core.chat.search_store import RANKED
from parley.core.chat.search_terms import Term

# Names come before messages, whose ranks are far below this.
_NAME_WEIGHT = 1_000

_own_sections = search_sections.c.account_id == bindparam("account", type_=Id)
_up_to = bindparam("up_to", type_=search_texts.c.number.type)
_query = bindparam("terms_wanted", type_=Text())

# PostgreSQL: section by section, newest first, until there are RANKED matches. `looked_for` is the query or, of several
# terms, only a rare one: the index would read all texts of each term in each section. The others are compared later.
_looked_for = bindparam("terms_looked_for", type_=Text())
_sections = (
    select(
        *(
            cast(func.replace(terms, "{}", cast(search_sections.c.number, Text)), TSQUERY).label(name)
            for name, terms in (("wanted", _query), ("looked_for", _looked_for))
        )
    )
    .where(_own_sections)
    .order_by(search_sections.c.number.desc())
    .subquery("sections")
)
# All of a section, by the index of terms: with the order and limit of the newest, the planner would rather read texts
# from the newest on until it has enough, which for a rare word are all of them. OFFSET keeps the two apart.
_of_section = (
    select(search_texts.c.number, search_texts.c.room_id, search_texts.c.position, search_texts.c.terms)
    .where(search_texts.c.terms.bool_op("@@")(_sections.c.looked_for))
    .correlate(_sections)
    .offset(0)
    .lateral("of_section")
)
_newest_of_section = (
    select(_of_section)
    .where(
        _of_section.c.number <= _up_to,
        or_(_looked_for == _query, _of_section.c.terms.bool_op("@@")(_sections.c.wanted)),
    )
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
# How many texts in a few of the account's sections, spread over all of its time, have each term, up to RARE.
RARE = 100
_SAMPLED = 4
_each = (
    func.unnest(bindparam("each_term", type_=ARRAY(Text())))
    .table_valued(column("term", Text), with_ordinality="number")
    .render_derived()
)
_numbered = (
    select(
        search_sections.c.number,
        (func.row_number().over(order_by=search_sections.c.number.desc()) - 1).label("index"),
        func.count().over().label("count"),
    )
    .where(_own_sections)
    .subquery("numbered")
)
_sample = (
    select(_numbered.c.number)
    .where(_numbered.c.index % func.greatest(_numbered.c.count // literal_column(str(_SAMPLED), Integer()), 1) == 0)
    .subquery("sample")
)
_with_term = (
    select(search_texts.c.number)
    .where(
        search_texts.c.terms.bool_op("@@")(
            cast(func.replace(_each.c.term, "{}", cast(_sample.c.number, Text)), TSQUERY)
        )
    )
    .correlate(_each, _sample)
    .offset(0)
    .lateral("with_term")
)
_some_with_term = (
    select(_with_term.c.number)
    .select_from(_sample.join(_with_term, true()))
    .limit(RARE)
    .correlate(_each)
    .subquery("some")
)
COUNT_EACH = Statement(
    select(select(func.count()).select_from(_some_with_term).correlate(_each).scalar_subquery())
    .select_from(_each)
    .order_by(_each.c.number)
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
        search_texts.c.number <= _up_to,
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
