"""The rules about one account, looked at whenever it moved: one file each, its presence registers it."""

import importlib
import pkgutil

from alerts.rules.base import AccountRules


def _registered() -> list[AccountRules]:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "base")
    return [importlib.import_module(f"{__name__}.{name}") for name in names]


ACCOUNT_RULES = _registered()
