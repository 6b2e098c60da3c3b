"""Run the built-in Stripe simulator until it is interrupted."""

import ipaddress
import logging
import signal
import threading
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from subscriptions.stripe.simulator.server import Simulator

logger = logging.getLogger(__name__)

DEFAULT_PORT = 12111
DEFAULT_FILE = Path("var") / "stripe_simulator.sqlite3"


class Command(BaseCommand):
    help = (
        "Answer Stripe's API with simulated objects, for development and demonstrations: no real money "
        "moves. Runs until SIGINT or SIGTERM; everything it keeps is in one file."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="where to listen: an address of this machine")
        parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes a free one")
        parser.add_argument("--data", type=Path, default=DEFAULT_FILE, help="the file that keeps its objects")
        parser.add_argument("--webhook-url", help="where its events go")
        parser.add_argument(
            "--webhook-secret",
            default=settings.STRIPE_WEBHOOK_SECRET or "whsec_simulator",
            help="what signs them (STRIPE_WEBHOOK_SECRET)",
        )
        parser.add_argument("--public-url", help="how browsers reach it, if not as the API's client does")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("There is no simulator in production: set STRIPE_API_KEY to charge cards.")
        if not _is_of_this_machine(options["host"]):
            raise CommandError("--host: choose an address such as 127.0.0.1, which nobody else reaches.")
        simulator = Simulator(
            path=options["data"],
            host=options["host"],
            port=options["port"],
            webhook_url=options["webhook_url"],
            webhook_secret=options["webhook_secret"],
            public_url=options["public_url"],
        )
        is_over = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: is_over.set())
        try:
            simulator.start()
        except OSError as failed:
            raise CommandError(f"The simulator cannot start: {failed}") from failed
        logger.info("Stripe simulator at %s, kept in %s", simulator.url, simulator.path)
        is_over.wait()
        simulator.stop()


def _is_of_this_machine(host: str) -> bool:
    """Whether only this machine reaches it: whoever reaches the simulator may do everything there."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
