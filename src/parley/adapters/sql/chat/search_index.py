"""The search index in SQL: PostgreSQL's full text with a GIN index, SQLite's FTS5.

The index of an account consists of sections of SECTION_TEXTS texts, and every term begins with the number of its
section. So a search reads the newest section first and no more of them than it needs, whatever other accounts or
earlier years have written.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Integer,
    String,
    and_,
    bindparam,
    case,
    cast,
    column,
    delete,
    exists,
    func,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import TSVECTOR

from parley.adapters.sql.chat.search_matches import COUNT_EACH, FIND, RARE, fts5_query, tsquery
from parley.adapters.sql.engine.search_tables import search_backlog, search_queue, search_sections, search_texts
from parley.adapters.sql.engine.statements import Statement, Upsert, given, literals
from parley.adapters.sql.engine.tables import Id, messages, rooms
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.chat.model import ENDED
from parley.core.chat.search_store import IndexedText, Match, WaitingText
from parley.core.chat.search_terms import SEARCHED_CHARACTERS, Term

# A term that most texts have costs a search this many rows, a rare one a look into each section.
SECTION_TEXTS = 8_192
# PostgreSQL stores no more positions of a term, and none above these.
_POSITIONS = 255
_LAST_POSITION = 16_383

_of_account = search_queue.c.account_id == bindparam("account", type_=Id)
_ANY_OF_ACCOUNT = Statement(select(search_queue.c.position).where(_of_account).limit(1))
_ANY_WAITING = Statement(select(search_queue.c.position).limit(1))
_ANY_OLDER = Statement(select(search_backlog.c.position).limit(1))

_key = (search_queue.c.account_id, search_queue.c.room_id, search_queue.c.position)
_newest_waiting = (
    select(*_key)
    .order_by(*(part.desc() for part in _key))
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)  # fmt: skip
# Both rows are locked without waiting, so that this never waits for the erasure of a room or account, which locks both.
_WAITING_OF_ACCOUNT, _WAITING = (
    Statement(
        select(
            taken.c.account_id,
            taken.c.room_id,
            taken.c.position,
            case((taken.c.position == 0, owned.c.name), else_=func.substr(messages.c.content, 1, SEARCHED_CHARACTERS)),
            owned.c.id,
            exists().where(rooms.c.id == taken.c.room_id),
        ).select_from(
            taken.outerjoin(owned, owned.c.id == taken.c.room_id).outerjoin(
                messages, and_(messages.c.room_id == taken.c.room_id, messages.c.position == taken.c.position)
            )
        )
    )
    for taken, owned in (
        (
            taken,
            select(rooms.c.id, rooms.c.name)
            .where(rooms.c.id.in_(select(taken.c.room_id)))
            .with_for_update(read=True, key_share=True, skip_locked=True)
            .cte("owned"),
        )
        for taken in (_newest_waiting.where(_of_account).cte("taken"), _newest_waiting.cte("taken"))
    )
)

# The newest section, while it has room.
_sections = search_sections.alias("sections")
_FILL_SECTION = Statement(
    update(search_sections)
    .where(
        search_sections.c.number
        == select(func.max(_sections.c.number))
        .where(_sections.c.account_id == bindparam("account", type_=Id))
        .scalar_subquery(),
        search_sections.c.texts < SECTION_TEXTS,
    )
    .values(texts=search_sections.c.texts + bindparam("added"))
    .returning(search_sections.c.number)
)
_OPEN_SECTION = Statement(
    insert(search_sections)
    .values(account_id=bindparam("account"), texts=bindparam("added"))
    .returning(search_sections.c.number)
)

_FORGET_TEXT = Statement(
    delete(search_texts).where(search_texts.c.room_id == bindparam("room"), search_texts.c.position == bindparam("at"))
)
_ADD_TEXT = Statement(insert(search_texts).values(given("room_id", "position", "terms")))
_DEQUEUE = Statement(
    delete(search_queue).where(
        _of_account, search_queue.c.room_id == bindparam("room"), search_queue.c.position == bindparam("at")
    )
)
# The same for many texts, where each statement is a trip.
_given = (
    func.unnest(
        bindparam("accounts", type_=ARRAY(Id)),
        bindparam("rooms", type_=ARRAY(Id)),
        bindparam("positions", type_=ARRAY(Integer)),
        bindparam("terms", type_=ARRAY(String)),
    )
    .table_valued(column("account_id", Id), column("room_id", Id), column("position", Integer), column("terms", String))
    .render_derived()
)
_FORGET_TEXTS = Statement(
    delete(search_texts).where(search_texts.c.room_id == _given.c.room_id, search_texts.c.position == _given.c.position)
)
_ADD_TEXTS = Statement(
    insert(search_texts).from_select(
        ["room_id", "position", "terms"],
        select(_given.c.room_id, _given.c.position, cast(_given.c.terms, TSVECTOR)).where(_given.c.terms != ""),
    )
)
_DEQUEUE_MANY = Statement(
    delete(search_queue).where(
        search_queue.c.account_id == _given.c.account_id,
        search_queue.c.room_id == _given.c.room_id,
        search_queue.c.position == _given.c.position,
    )
)

_older = tuple_(messages.c.room_id, messages.c.position) > tuple_(
    bindparam("after_room", type_=Id), bindparam("after_position", type_=Integer)
)
_BACKLOG = Statement(select(search_backlog.c.room_id, search_backlog.c.position).with_for_update())
_OLDER = Statement(
    select(messages.c.room_id, messages.c.position)
    .where(_older)
    .order_by(messages.c.room_id, messages.c.position)
    .limit(bindparam("most"))
)
_QUEUE_OLDER = Upsert(
    search_queue,
    lambda insertion: insertion.from_select(
        ["account_id", "room_id", "position"],
        select(messages.c.account_id, messages.c.room_id, messages.c.position).where(
            _older,
            tuple_(messages.c.room_id, messages.c.position)
            <= tuple_(bindparam("last_room", type_=Id), bindparam("last_position", type_=Integer)),
            messages.c.status.in_(literals(*(status.value for status in sorted(ENDED)))),
            ~exists().where(
                search_texts.c.room_id == messages.c.room_id, search_texts.c.position == messages.c.position
            ),
        ),
    ).on_conflict_do_nothing(),
)
_ADVANCE = Statement(update(search_backlog).values(given("room_id", "position")))
_NO_BACKLOG = Statement(delete(search_backlog))

_NEWEST = Statement(select(func.coalesce(func.max(search_texts.c.number), 0)))


class SqlSearchIndex(SqlStore):
    async def is_behind(self, account_id: UUID | None) -> bool:
        if account_id is not None:
            return await self._transaction.scalar(_ANY_OF_ACCOUNT, account=account_id) is not None
        return (
            await self._transaction.scalar(_ANY_WAITING) is not None
            or await self._transaction.scalar(_ANY_OLDER) is not None
        )

    async def waiting(self, account_id: UUID | None, *, limit: int) -> list[WaitingText]:
        rows = (
            await self._transaction.all(_WAITING, most=limit)
            if account_id is None
            else await self._transaction.all(_WAITING_OF_ACCOUNT, account=account_id, most=limit)
        )
        texts = []
        for owner, room_id, position, text, locked_room, room_exists in rows:
            if locked_room is not None:
                texts.append(WaitingText(owner, room_id, position, text or ""))
            elif not room_exists:
                await self._transaction.execute(_DEQUEUE, account=owner, room=room_id, at=position)
        return texts

    async def add(self, texts: Sequence[IndexedText]) -> None:
        sections = await self._sections(texts)
        if self._transaction.one_statement_suffices:
            await self._add_many(texts, sections)
            return
        for text in texts:
            key = {"room": text.waiting.room_id, "at": text.waiting.position}
            await self._transaction.execute(_FORGET_TEXT, **key)
            if text.terms:
                terms = " ".join(f"{sections[text.waiting.account_id]}:{term}" for term in text.terms)
                await self._transaction.execute(
                    _ADD_TEXT, room_id=text.waiting.room_id, position=text.waiting.position, terms=terms
                )
            await self._transaction.execute(_DEQUEUE, account=text.waiting.account_id, **key)

    async def _sections(self, texts: Sequence[IndexedText]) -> dict[UUID, int]:
        """The section of each account for its texts. Accounts come in one order, so that no two wait for each other."""
        added = Counter(text.waiting.account_id for text in texts if text.terms)
        sections = {}
        for account_id, count in sorted(added.items()):
            values = {"account": account_id, "added": count}
            filled = await self._transaction.scalar(_FILL_SECTION, **values)
            sections[account_id] = filled or await self._transaction.scalar(_OPEN_SECTION, **values)
        return sections

    async def _add_many(self, texts: Sequence[IndexedText], sections: dict[UUID, int]) -> None:
        given = {
            "accounts": [text.waiting.account_id for text in texts],
            "rooms": [text.waiting.room_id for text in texts],
            "positions": [text.waiting.position for text in texts],
        }
        vectors = [_tsvector(sections.get(text.waiting.account_id, 0), text.terms) for text in texts]
        await self._transaction.execute(_FORGET_TEXTS, **given, terms=[""] * len(texts))
        await self._transaction.execute(_ADD_TEXTS, **given, terms=vectors)
        await self._transaction.execute(_DEQUEUE_MANY, **given, terms=[""] * len(texts))

    async def queue_older(self, *, limit: int) -> bool:
        backlog = await self._transaction.one_or_none(_BACKLOG)
        if backlog is None:
            return False
        after = {"after_room": backlog[0], "after_position": backlog[1]}
        places = await self._transaction.all(_OLDER, most=limit, **after)
        if not places:
            await self._transaction.execute(_NO_BACKLOG)
            return False
        room_id, position = places[-1]
        await self._transaction.execute(_QUEUE_OLDER, last_room=room_id, last_position=position, **after)
        await self._transaction.execute(_ADVANCE, room_id=room_id, position=position)
        return True

    async def newest(self) -> int:
        number: int = await self._transaction.scalar(_NEWEST)
        return number

    async def find(self, account_id: UUID, terms: Sequence[Term], *, up_to: int, skip: int, limit: int) -> list[Match]:
        values = {"account": account_id, "up_to": up_to, "skip": skip, "most": limit}
        if self._transaction.one_statement_suffices:
            looked_for = await self._to_look_for(account_id, terms)
            values |= {"terms_wanted": tsquery(terms), "terms_looked_for": tsquery(looked_for)}
        else:
            values["terms_wanted"] = fts5_query(terms)
        return [Match(*row) for row in await self._transaction.all(FIND, **values)]

    async def _to_look_for(self, account_id: UUID, terms: Sequence[Term]) -> Sequence[Term]:
        """The rarest of several terms, if it is rare; else all of them."""
        if len(terms) == 1:
            return terms
        each = [tsquery([term]) for term in terms]
        counts = await self._transaction.scalars(COUNT_EACH, account=account_id, each_term=each)
        count, rarest = min(zip(counts, terms, strict=True), key=lambda each: (each[0], -len(each[1].text)))
        return [rarest] if count < RARE else terms


def _tsvector(section: int, terms: Sequence[str]) -> str:
    positions = defaultdict[str, list[str]](list)
    for position, term in enumerate(terms, 1):
        if len(positions[term]) < _POSITIONS:
            positions[term].append(str(min(position, _LAST_POSITION)))
    return " ".join(f"'{section}:{term}':{','.join(where)}" for term, where in positions.items())
