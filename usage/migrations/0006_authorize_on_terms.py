"""`usage_authorize` (0004) learns of surcharges and of accounts whose terms allow no calls.

The function is long and these are five places in it: it is made again with each of them put in, and fails to
be made where one is not found exactly once. `\\sf usage_authorize` in psql shows the whole.
"""

from importlib import import_module

from django.db import migrations

BEFORE: str = import_module("usage.migrations.0004_ledger").AUTHORIZE.replace(
    "CREATE FUNCTION usage_authorize", "CREATE OR REPLACE FUNCTION usage_authorize"
)

CHANGES = {
    # What the terms say is read with the account's row, under its lock.
    "    v_account bigint;\n": "    v_account bigint;\n    v_suspended text;\n",
    "SELECT account.id, account.paused_reason, account.default_output_cap INTO v_account, message, v_cap": (
        "SELECT account.id, account.paused_reason, account.suspended_reason, account.default_output_cap\n"
        "    INTO v_account, message, v_suspended, v_cap"
    ),
    "        outcome := 'paused';\n        RETURN;\n    END IF;\n": (
        "        outcome := 'paused';\n        RETURN;\n"
        "    ELSIF v_suspended <> '' THEN\n"
        "        outcome := 'suspended';\n        message := v_suspended;\n        RETURN;\n"
        "    END IF;\n"
    ),
    # A surcharge is part of the worst case. A share of an hour is rounded to the scale of costs, never below
    # what settling rounds it to.
    "price_id bigint, price_source text, said jsonb\n": (
        "price_id bigint, price_source text, said jsonb, requests bigint\n"
    ),
    "wish.cost + wish.output_price * cap.output_cap AS worst_cost": (
        "wish.cost + wish.output_price * cap.output_cap + COALESCE((\n"
        "                   SELECT added.per_request * wish.requests\n"
        "                          + round((added.per_hour * wish.seconds)::numeric(60, 30) / 3600, 18)\n"
        "                   FROM account_surcharges added\n"
        "                   WHERE added.account_id = v_account AND added.request_type = wish.request_type\n"
        "                     AND added.effective_from <= p_at\n"
        "                   ORDER BY added.effective_from DESC LIMIT 1\n"
        "               ), 0) AS worst_cost"
    ),
}


def changed(function: str) -> str:
    for old, new in CHANGES.items():
        if function.count(old) != 1:
            raise ValueError(f"not exactly once in usage_authorize: {old!r}")
        function = function.replace(old, new)
    return function


class Migration(migrations.Migration):
    dependencies = [("usage", "0005_account_terms")]

    operations = [migrations.RunSQL(changed(BEFORE), BEFORE)]
