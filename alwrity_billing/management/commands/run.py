"""Everything on one machine: web, Celery worker and beat, with demo data on an empty database."""

import http.client
import os
import signal
import socket
import sys
import threading
import time
from typing import Any

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.utils import timezone

from alwrity_billing import demo, scrubbing, supervisor
from usage import partitions

READY_TIMEOUT_S = 60
CONNECT_TIMEOUT_S = 5
OLDEST_POSTGRESQL = 15
SIMULATOR_HOST = "127.0.0.1"
TEST_CARD = "4242 4242 4242 4242"


class Command(BaseCommand):
    help = "Start web, worker and beat on this machine, with demo data on an empty database. For development."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=settings.RUN_HOST, help="address to serve on (RUN_HOST)")
        parser.add_argument("--port", type=int, default=settings.RUN_PORT, help="port to serve on (PORT)")
        parser.add_argument("--no-demo", action="store_true", help="leave an empty database empty")

    def handle(self, *args: Any, host: str, port: int, no_demo: bool, **options: Any) -> None:
        # Ends as on Ctrl-C, so that a PostgreSQL we started is stopped; honcho takes over once it runs.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        if settings.PRODUCTION:
            raise CommandError(
                "run is for development; in production start granian, the worker and beat as services."
            )
        check_port(host, port)
        simulator_port = stripe_port(port)
        if settings.STRIPE_MODE == "simulator":
            check_stripe_port(simulator_port)
        check_database()
        folder = settings.DATA_DIR / "run"
        try:
            with supervisor.alone_in(folder):
                self.prepare(no_demo=no_demo)
                threading.Thread(target=self.announce, args=(host, port), daemon=True).start()
                death = supervisor.run(
                    programs(host, port),
                    folder=folder,
                    environment=environment(stripe_port=simulator_port),
                    embedded_in=settings.DATA_DIR if settings.EMBEDDED_POSTGRES else None,
                    output=sys.stdout,
                )
        except supervisor.AlreadyRunning as held:
            raise CommandError(
                f"Already running on the data in {settings.DATA_DIR}: stop that, or set another DATA_DIR."
            ) from held
        if death:
            raise CommandError(
                f"{death.name} ended by itself (exit code {death.exit_code}); the others were stopped."
            )

    def prepare(self, *, no_demo: bool) -> None:
        """Bring the database up to date; on an empty one, make the demo accounts."""
        self.stdout.write("Preparing the database ...")
        call_command("migrate", verbosity=0, interactive=False)
        call_command("load_prices")
        partitions.ensure_ahead(at=timezone.now(), months=settings.LOG_PARTITIONS_AHEAD_MONTHS)
        if not no_demo and demo.is_wanted(settings.DATA_DIR):
            call_command("demo")
        call_command("load_catalog", "default")
        connection.close()

    def announce(self, host: str, port: int) -> None:
        """Say where everything is, as soon as the server answers."""
        if answers(reachable(host), port):
            self.stdout.write(banner(f"http://{reachable(host)}:{port}", stripe_port=stripe_port(port)))
            self.stdout.flush()


def check_port(host: str, port: int) -> None:
    """Raise CommandError when we could not serve on `port`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except (OSError, OverflowError) as refused:
        raise CommandError(
            f"Port {port} on {host} cannot be used ({refused}): "
            f"choose another with `make run PORT={port + 1}` or `manage.py run --port {port + 1}`."
        ) from refused


def stripe_port(port: int) -> int:
    """Where the simulator of Stripe serves: where the settings say, or beside `port`."""
    return int(os.environ.get("STRIPE_SIMULATOR_PORT") or port + 1)


def check_stripe_port(port: int) -> None:
    """Raise CommandError when the simulator of Stripe could not serve on `port`."""
    try:
        check_port(SIMULATOR_HOST, port)
    except CommandError as refused:
        raise CommandError(
            f"Port {port} on {SIMULATOR_HOST}, for the simulator of Stripe, cannot be used: choose another "
            "with STRIPE_SIMULATOR_PORT, or set STRIPE_API_KEY to a test key of your own."
        ) from refused


def check_database() -> None:
    """Raise CommandError unless a supported PostgreSQL answers at DATABASE_URL."""
    try:
        with psycopg.connect(settings.DATABASE_URL, connect_timeout=CONNECT_TIMEOUT_S) as database:
            version = database.info.server_version // 10_000
    except psycopg.Error as refused:
        reason = scrubbing.text(" ".join(str(refused).split()))
        raise CommandError(
            f"No database at DATABASE_URL ({reason}): correct it, or unset it to use the embedded PostgreSQL."
        ) from refused
    if version < OLDEST_POSTGRESQL:
        raise CommandError(f"The database is PostgreSQL {version}; {OLDEST_POSTGRESQL} or newer is needed.")


def programs(host: str, port: int) -> list[supervisor.Program]:
    """The commands that make up the running system."""
    python = [sys.executable, "-m"]
    web = ["granian", "--interface", "wsgi", "--host", host, "--port", str(port), "--blocking-threads", "4"]
    celery = ["celery", "--quiet", "--app", "alwrity_billing"]
    # One worker alone has nobody to gossip with.
    alone = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    worker = [*celery, "worker", "--pool", "prefork", "--concurrency", "2", "--loglevel", "INFO", *alone]
    known = [
        supervisor.Program("web", [*python, *web, "alwrity_billing.wsgi:application"]),
        supervisor.Program("worker", [*python, *worker]),
        supervisor.Program("beat", [*python, *celery, "beat", "--loglevel", "INFO"]),
    ]
    if settings.STRIPE_MODE == "simulator":
        known.append(supervisor.Program("stripe", stripe_simulator(host, port)))
    return known


def stripe_simulator(host: str, port: int) -> list[str]:
    """The command of the simulator of Stripe, whose webhooks come to us."""
    return [
        sys.executable,
        str(settings.BASE_DIR / "manage.py"),
        "stripe_simulator",
        f"--port={stripe_port(port)}",
        f"--data={settings.DATA_DIR / 'stripe-simulator.sqlite3'}",
        f"--webhook-url=http://{reachable(host)}:{port}/api/subscription/webhook",
    ]


def environment(*, stripe_port: int) -> dict[str, str]:
    """What the programs are told: ours, and the address of the PostgreSQL that we keep running for them."""
    return {
        **os.environ,
        "DATABASE_URL": settings.DATABASE_URL,
        "STRIPE_SIMULATOR_PORT": str(stripe_port),
        "PYTHONPATH": str(settings.BASE_DIR),
        "PYTHONUNBUFFERED": "1",
        # The signal to stop reaches the worker's pool too; waiting for what the pool then lost would hang.
        "REMAP_SIGTERM": "SIGQUIT",
    }


def reachable(host: str) -> str:
    """Where to find, from this machine, what serves on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104


def answers(host: str, port: int) -> bool:
    """Wait until the server answers /healthz, at most READY_TIMEOUT_S; whether it did."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        server = http.client.HTTPConnection(host, port, timeout=1)
        try:
            server.request("GET", "/healthz")
            return bool(server.getresponse().status)
        except OSError:
            time.sleep(0.1)
        finally:
            server.close()
    return False


def banner(url: str, *, stripe_port: int) -> str:
    """What a newcomer needs next: addresses, logins, a key, and a call that works as printed."""
    lines = ["", f"ALwrity Billing is ready: {url}/    API: {url}/docs    admin: {url}/admin/"]
    if settings.STRIPE_MODE == "simulator":
        simulated = f"http://{SIMULATOR_HOST}:{stripe_port}/"
        lines.append(f"Stripe is simulated at {simulated}    card: {TEST_CARD}, any date ahead")
    known = demo.credentials(settings.DATA_DIR)
    if known:
        lines += [
            "",
            f"  staff login     {known.staff_username} / {known.staff_password}",
            f"  customer login  {known.customer_username} / {known.customer_password}",
            f"  API key         {known.api_key}",
            "",
            "Send a usage event:",
            "",
            known.curl(url),
        ]
    else:
        lines.append("Make a staff login with: manage.py createsuperuser")
    return "\n".join([*lines, "", f"Data is kept in {settings.DATA_DIR}. Ctrl-C stops everything.", ""])
