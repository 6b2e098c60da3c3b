from django.db import migrations
from django.db.models import F


def keep_confirmed(apps, schema_editor):
    """Whatever has an email address and is active was confirmed."""
    channels = apps.get_model("alerts", "AlertChannel").objects.using(schema_editor.connection.alias)
    channels.filter(kind="email", state="active", account__isnull=False).exclude(sealed_address="").update(
        confirmed_at=F("created_at")
    )


class Migration(migrations.Migration):

    dependencies = [("alerts", "0002_confirmation_mails")]

    operations = [migrations.RunPython(keep_confirmed, migrations.RunPython.noop)]
