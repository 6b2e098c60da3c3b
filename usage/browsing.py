"""Looking through one account's usage log, newest call first, at a cost that the log's size does not change.

A page begins where the one before it ended (a keyset: with the account, `occurred_at` and `id` are the log's
primary key), so no page is deeper than another and nothing is counted. A page that picks some calls out looks
through MAX_LOOKED_THROUGH of them at most; then it ends, however few it found, and the next one goes on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from django.db import connection
from django.db.models import BooleanField, Q, QuerySet
from django.db.models.expressions import RawSQL

from usage.models import Account, APIUsageLog
from usage.settlement import SOURCE

MAX_LOOKED_THROUGH = 20_000
MAX_SOURCES = 1_000
# Of all calls, as in a file, the first page has so many, and each one so many times more than that before.
FIRST_AT_ONCE, GROWTH = 125, 4
# How many days people look through at once, usually and at most.
DEFAULT_DAYS = 31
MAX_DAYS = 366
FAILED_FROM = 400
# The fields of a question that one column answers.
COLUMNS = {
    "provider": "provider",
    "request_type": "request_type",
    "endpoint": "endpoint",
    "team": "team",
    "project": "project",
    "department": "department",
    "member": "end_user",
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
LARGEST_ID = 2**63 - 1

# An event key begins with the account and the source, so it is looked for source by source, each one step in
# the index. The calls of an authorization are settled under its id, or under "<its id>/<their own>".
LOG_IDS_OF_KEYS = """
WITH RECURSIVE sources AS (
    (SELECT source FROM usage_event_keys WHERE account_id = %(account)s ORDER BY source LIMIT 1)
    UNION ALL
    SELECT (
        SELECT source FROM usage_event_keys
        WHERE account_id = %(account)s AND source > before.source ORDER BY source LIMIT 1
    )
    FROM sources AS before WHERE before.source IS NOT NULL
), found AS (
    SELECT named.log_id, named.occurred_at
    FROM (SELECT source FROM sources WHERE source IS NOT NULL LIMIT %(sources)s) AS known,
    LATERAL (
        SELECT log_id, occurred_at FROM usage_event_keys
        WHERE account_id = %(account)s AND source = known.source AND event_id = %(name)s LIMIT 1
    ) AS named
    UNION
    (
        SELECT log_id, occurred_at FROM usage_event_keys
        WHERE account_id = %(account)s AND source = %(settled)s
        AND event_id >= %(name)s || '/' AND event_id < %(name)s || '0' ORDER BY event_id LIMIT %(limit)s
    )
)
SELECT log_id, occurred_at FROM found WHERE occurred_at >= %(start)s AND occurred_at < %(end)s
ORDER BY occurred_at DESC, log_id DESC LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a call stands among its account's: when it happened, and its id among those of that instant."""

    occurred_at: datetime
    id: int

    @classmethod
    def of(cls, row: APIUsageLog) -> "Place":
        return cls(occurred_at=row.occurred_at, id=row.id)

    @classmethod
    def parse(cls, text: str) -> "Place":
        """The place that `str` spelled; raises ValueError for anything else."""
        microseconds, _, number = text.partition(".")
        try:
            place = cls(occurred_at=EPOCH + int(microseconds) * MICROSECOND, id=int(number))
        except OverflowError as beyond:
            raise ValueError(f"{text!r} is no time of a call") from beyond
        if not 0 <= place.id <= LARGEST_ID:
            raise ValueError(f"{text!r} is no id of a call")
        return place

    def __str__(self) -> str:
        return f"{(self.occurred_at - EPOCH) // MICROSECOND}.{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which calls to look for: those of `account` that happened in [start, end), beyond `before` when given.

    What is left empty does not pick; of the fields named in `untold` (some of COLUMNS) only calls that say
    nothing are found. `model` is its name in the price book or as sent, `failed` a status of
    400 or above, `name` the id of an event or of an authorization, `member` the end user; all of them are
    matched exactly.
    """

    account: Account
    start: datetime
    end: datetime
    before: Place | None = None
    provider: str = ""
    model: str = ""
    request_type: str = ""
    endpoint: str = ""
    team: str = ""
    project: str = ""
    department: str = ""
    member: str = ""
    untold: frozenset[str] = frozenset()
    failed: bool | None = None
    name: str = ""

    @property
    def picks(self) -> bool:
        """Whether some calls of the range are left out."""
        texts = (self.model, self.name, *(getattr(self, field) for field in COLUMNS))
        return any(texts) or bool(self.untold) or self.failed is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Rows, newest first. `older` is where the next page begins, None at the end of the range; `is_cut` when
    this one ended because it had looked through enough.
    """

    rows: Sequence[APIUsageLog]
    older: Place | None
    is_cut: bool = False


def page(question: Question, *, limit: int) -> Page:
    """The next `limit` calls that `question` asks for.

    Those whose event is known by the name that is asked for come on the first page, beside the others.
    """
    in_range = _in_range(question)
    if not question.picks:
        return _page(list(in_range[: limit + 1]), limit=limit)
    last = in_range.values_list("occurred_at", "id")[MAX_LOOKED_THROUGH - 1 : MAX_LOOKED_THROUGH].first()
    end = None if last is None else Place(occurred_at=last[0], id=last[1])
    looked_through = in_range if end is None else _from(in_range, end)
    named = _named(question, limit=limit)
    picked = looked_through.filter(_picked(question)).exclude(id__in=named)
    found = _page(list(picked[: limit + 1]), limit=limit, end=end)
    return found if question.before else _with_named(found, question, named)


def newest(account: Account, *, limit: int) -> list[APIUsageLog]:
    """The account's `limit` newest calls."""
    return list(APIUsageLog.objects.filter(account=account).order_by("-occurred_at", "-id")[:limit])


def every(question: Question, *, at_once: int) -> Iterator[APIUsageLog]:
    """All calls that `question` asks for, page by page: no more than `at_once` of them are in memory, and
    no transaction stays open however slowly they are taken. The first page is a small one, to begin soon.
    """
    limit = min(FIRST_AT_ONCE, at_once)
    while True:
        found = page(question, limit=limit)
        yield from found.rows
        if found.older is None:
            return
        question = replace(question, before=found.older)
        del found
        limit = min(limit * GROWTH, at_once)


def row(account_id: int, place: Place) -> APIUsageLog | None:
    """The call of the account at that place, or None."""
    return APIUsageLog.objects.filter(
        account_id=account_id, occurred_at=place.occurred_at, id=place.id
    ).first()


def _in_range(question: Question) -> QuerySet[APIUsageLog]:
    rows = APIUsageLog.objects.filter(
        account=question.account, occurred_at__gte=question.start, occurred_at__lt=question.end
    )
    before = question.before
    if before is not None:
        # The plain bound is what leaves later partitions out.
        beyond = RawSQL("(occurred_at, id) < (%s, %s)", [before.occurred_at, before.id], BooleanField())
        rows = rows.filter(beyond, occurred_at__lte=before.occurred_at)
    return rows.order_by("-occurred_at", "-id")


def _from(rows: QuerySet[APIUsageLog], end: Place) -> QuerySet[APIUsageLog]:
    reached = RawSQL("(occurred_at, id) >= (%s, %s)", [end.occurred_at, end.id], BooleanField())
    return rows.filter(reached, occurred_at__gte=end.occurred_at)


def _picked(question: Question) -> Q:
    return (Q(authorization=question.name) if question.name else Q()) & _filters(question)


def _filters(question: Question) -> Q:
    values = {column: getattr(question, field) for field, column in COLUMNS.items()}
    untold = {COLUMNS[field]: "" for field in question.untold}
    asked = Q(**{column: value for column, value in values.items() if value}, **untold)
    if question.model:
        asked &= Q(model=question.model) | Q(model_used=question.model)
    if question.failed is not None:
        failed = Q(status_code__gte=FAILED_FROM)
        asked &= failed if question.failed else ~failed
    return asked


def _page(rows: list[APIUsageLog], *, limit: int, end: Place | None = None) -> Page:
    """The first `limit` of `rows`, which are one more where there are more; `end` is how far was looked."""
    if len(rows) > limit:
        return Page(rows=rows[:limit], older=Place.of(rows[limit - 1]))
    return Page(rows=rows, older=end, is_cut=end is not None)


def _named(question: Question, *, limit: int) -> Mapping[int, datetime]:
    """The ids of the log's rows whose event goes by the name that is asked for, with their times."""
    if not question.name:
        return {}
    asked: dict[str, int | str | datetime] = {
        "account": question.account.pk,
        "name": question.name,
        "settled": SOURCE,
        "sources": MAX_SOURCES,
        "start": question.start,
        "end": question.end,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(LOG_IDS_OF_KEYS, asked)
        return dict(cursor.fetchall())


def _with_named(found: Page, question: Question, named: Mapping[int, datetime]) -> Page:
    if not named:
        return found
    rows = APIUsageLog.objects.filter(
        _filters(question),
        account=question.account,
        occurred_at__in=set(named.values()),
        id__in=named.keys(),
    )
    together = sorted([*found.rows, *rows], key=lambda row: (row.occurred_at, row.id), reverse=True)
    return Page(rows=together, older=found.older, is_cut=found.is_cut)
