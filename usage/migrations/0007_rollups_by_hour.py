"""Finding the rollups of some days across all accounts: they are written in the order of their hours, so a BRIN
index costs writers next to nothing.
"""

from django.contrib.postgres.indexes import BrinIndex
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("usage", "0006_authorize_on_terms")]

    operations = [
        migrations.AddIndex(
            model_name="usagerollup",
            index=BrinIndex(fields=["hour"], name="rollup_by_hour", pages_per_range=32, autosummarize=True),
        ),
    ]
