#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from environs import EnvError


def main() -> None:
    """Run the command; a setting that is wrong is one sentence on stderr and exit code 1, no traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alwrity_billing.settings")
    try:
        # Here and once: Django's command line would load settings that failed a second time.
        django.setup()
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, EnvError) as wrong:
        sys.exit(str(wrong))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
