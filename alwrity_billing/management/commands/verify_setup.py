"""A checklist of what is right and wrong with this installation."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from alwrity_billing import setup_checks


class Command(BaseCommand):
    help = "Print what is right and what is wrong with this installation, and what to do. Exit code 1: wrong."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        wrong = 0
        for finding in setup_checks.findings(at=timezone.now()):
            mark = self.style.SUCCESS("ok   ") if finding.is_right else self.style.ERROR("wrong")
            self.stdout.write(f"{mark}  {finding.name}: {finding.fact}")
            if not finding.is_right:
                self.stdout.write(f"       → {finding.remedy}")
                wrong += 1
        if wrong:
            raise CommandError(f"{wrong} to repair.")
        self.stdout.write("Everything is set up.")
