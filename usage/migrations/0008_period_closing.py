"""When a billing period was billed, and the hash that proves which rows of the log were."""

from django.db import migrations, models

# SHA-256 chained over "id:cost" of each row in order of id, so that a line's evidence can be recomputed by
# anybody who has the rows: h = sha256(h || "id:cost"), beginning with the empty string.
EVIDENCE = """
CREATE FUNCTION usage_evidence_step(hash bytea, id bigint, cost numeric) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN sha256(hash || convert_to(id || ':' || cost, 'UTF8'));
END $$;
CREATE AGGREGATE usage_evidence(bigint, numeric) (
    SFUNC = usage_evidence_step, STYPE = bytea, INITCOND = ''
);
"""
NO_EVIDENCE = """
DROP AGGREGATE usage_evidence(bigint, numeric);
DROP FUNCTION usage_evidence_step(bytea, bigint, numeric);
"""
# What ended before there were invoices was billed elsewhere, if at all.
CLOSE_THE_PAST = "UPDATE billing_periods SET closed_at = now() WHERE period_end <= now()"


class Migration(migrations.Migration):
    dependencies = [("usage", "0007_rollups_by_hour")]

    operations = [
        migrations.RunSQL(EVIDENCE, NO_EVIDENCE),
        migrations.AddField(
            model_name="billingperiod",
            name="closed_at",
            field=models.DateTimeField(
                editable=False, help_text="When it was billed, or found empty.", null=True
            ),
        ),
        migrations.RunSQL(CLOSE_THE_PAST, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="billingperiod",
            index=models.Index(
                condition=models.Q(("closed_at__isnull", True)),
                fields=["period_end"],
                name="billing_period_to_close",
            ),
        ),
    ]
