"""Is this installation set up right? One finding per thing that can be wrong, each saying what to do.

Works without a database: what needs one is then reported as not checked.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.staticfiles import finders
from django.db import connection
from django.db.utils import Error as DatabaseError

from alwrity_billing import guards, health
from subscriptions.stripe import client
from subscriptions.stripe.errors import StripeError
from usage import partitions
from usage.core.calendar import month_of
from usage.models import APIProviderPricing

OLDEST_PYTHON = (3, 11)
OLDEST_POSTGRESQL = 15
MAX_CLOCK_SKEW = timedelta(seconds=5)
MAKE_PARTITIONS = (
    "run: manage.py shell -c 'from usage.tasks import make_log_partitions; make_log_partitions()'"
)
A_STYLE_SHEET = "unfold/css/styles.css"


@dataclass(frozen=True)
class Finding:
    """One line of the checklist; `remedy` says what to do and is empty when all is well."""

    name: str
    fact: str
    remedy: str = ""

    @property
    def is_right(self) -> bool:
        return not self.remedy


def findings(*, at: datetime) -> Iterator[Finding]:
    """Every finding, in the order in which faults are best repaired; `at` is this machine's time."""
    yield python()
    yield from with_database(at)
    yield from (check() for check in WITHOUT_DATABASE)


def with_database(at: datetime) -> Iterator[Finding]:
    """What the database shows, as far as the first thing that is wrong lets it be seen."""
    reachable = database()
    yield reachable
    if not reachable.is_right:
        yield Finding("migrations, prices, log partitions", "not checked", "bring the database up first")
        return
    yield clock()
    migrated = migrations()
    yield migrated
    if not migrated.is_right:
        yield Finding("prices, log partitions", "not checked", "apply the migrations first")
        return
    yield prices(at)
    yield log_partitions(at)


def python() -> Finding:
    fact = ".".join(map(str, sys.version_info[:3]))
    old = sys.version_info < OLDEST_PYTHON
    return Finding("Python", fact, "install Python 3.11 or newer" if old else "")


def database() -> Finding:
    """Whether a PostgreSQL that is new enough answers."""
    name = "database"
    try:
        with health.own_connection() as probe:
            version = probe.connection.info.server_version // 10_000
    except DatabaseError:
        server = urlsplit(settings.DATABASE_URL).hostname or "the local socket"
        return Finding(name, f"no answer from {server}", "start the server or correct DATABASE_URL")
    kind = "embedded" if settings.EMBEDDED_POSTGRES else "from DATABASE_URL"
    old = version < OLDEST_POSTGRESQL
    return Finding(name, f"PostgreSQL {version}, {kind}", "upgrade to PostgreSQL 15 or newer" if old else "")


def migrations() -> Finding:
    try:
        health.check_migrations()
    except health.NotReady as missing:
        return Finding("migrations", str(missing), "run: manage.py migrate")
    return Finding("migrations", "all applied")


def prices(at: datetime) -> Finding:
    """Whether there is anything to rate usage with."""
    count = APIProviderPricing.objects.filter(effective_from__lte=at).count()
    return Finding("prices", f"{count} in the book", "" if count else "run: manage.py load_prices")


def log_partitions(at: datetime) -> Finding:
    """Whether this month's and next month's usage has a partition to go to, and none went astray."""
    name = "log partitions"
    this_month, following = month_of(at)
    wanted = [partitions.partition_name(month) for month in (this_month, following)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT relid::regclass::text FROM pg_partition_tree(%s)", [partitions.LOG])
        there = {table for (table,) in cursor.fetchall()}
    missing = [table for table in wanted if table not in there]
    if missing:
        return Finding(
            name, f"missing: {', '.join(missing)}", f"keep Celery beat running; now {MAKE_PARTITIONS}"
        )
    if stray := partitions.default_rows():
        remedy = "call usage.partitions.ensure() with their times: it moves them"
        return Finding(name, f"{stray} rows or more in the default partition", remedy)
    return Finding(name, "there for this month and the next, no row astray")


def clock() -> Finding:
    """Whether this machine and the database agree on the time: events are dated by both."""
    with connection.cursor() as cursor:
        asked = datetime.now(UTC)
        cursor.execute("SELECT clock_timestamp()")
        skew = abs(cursor.fetchone()[0] - asked)
    remedy = "" if skew <= MAX_CLOCK_SKEW else "keep both machines' clocks in step (NTP)"
    return Finding("clock", f"{skew.total_seconds():.1f} s from the database's", remedy)


def broker() -> Finding:
    kind = "files in the data folder" if settings.EMBEDDED_BROKER else "from CELERY_BROKER_URL"
    try:
        health.check_broker()
    except Exception as refused:  # every transport has errors of its own
        reason = type(refused).__name__
        return Finding("broker", f"no answer ({reason})", "start the broker or correct CELERY_BROKER_URL")
    return Finding("broker", kind)


def secret_key() -> Finding:
    if settings.SECRET_KEY != guards.DEVELOPMENT_SECRET_KEY:
        return Finding("secret key", "your own")
    return Finding("secret key", "the development key, which production refuses")


def debug() -> Finding:
    if settings.DEBUG:
        return Finding("debug", "on: errors show code and settings", "unset DEBUG unless you are debugging")
    return Finding("debug", "off")


def allowed_hosts() -> Finding:
    hosts = settings.ALLOWED_HOSTS
    remedy = "list the host names served in ALLOWED_HOSTS" if not hosts or "*" in hosts else ""
    return Finding("allowed hosts", ", ".join(hosts) or "none", remedy)


def email() -> Finding:
    backend = settings.EMAIL_BACKEND.rsplit(".", 2)[-2]
    silent = backend in {"console", "dummy", "locmem"}
    remedy = "set EMAIL_HOST, and EMAIL_BACKEND to SMTP's" if settings.PRODUCTION and silent else ""
    return Finding("e-mail", f"{backend}, from {settings.DEFAULT_FROM_EMAIL}", remedy)


def json_web_tokens() -> Finding:
    """Whether tokens are off, or wholly configured (settings refuse the halves) and fetched safely."""
    if not settings.JWT_JWKS_URL:
        return Finding("JWT", "off (JWT_JWKS_URL is not set)")
    safe = settings.JWT_JWKS_URL.startswith("https://") or not settings.PRODUCTION
    return Finding("JWT", f"issuer {settings.JWT_ISSUER}", "" if safe else "use https in JWT_JWKS_URL")


def stripe() -> Finding:
    """Whether cards can be charged: Stripe answers and knows the key, or all of it is off."""
    if settings.STRIPE_MODE == "off":
        return Finding("Stripe", "off (STRIPE_API_KEY is not set): invoices are paid by hand")
    if settings.STRIPE_MODE == "simulator":
        return Finding("Stripe", f"simulated at {settings.STRIPE_API_BASE} by manage.py run")
    try:
        client.check()
    except StripeError as refused:
        return Finding("Stripe", refused.message, "correct STRIPE_API_KEY, or let this machine reach Stripe")
    return Finding("Stripe", "answers")


def static_files() -> Finding:
    """Whether pages find their style sheets: collected in production, in the packages otherwise."""
    if settings.PRODUCTION:
        collected = (settings.STATIC_ROOT / "staticfiles.json").exists()
        where = f"in {settings.STATIC_ROOT}"
    else:
        collected, where = finders.find(A_STYLE_SHEET) is not None, "served from their packages"
    return Finding("static files", where, "" if collected else "run: manage.py collectstatic")


WITHOUT_DATABASE: tuple[Callable[[], Finding], ...] = (
    broker,
    secret_key,
    debug,
    allowed_hosts,
    email,
    json_web_tokens,
    stripe,
    static_files,
)
