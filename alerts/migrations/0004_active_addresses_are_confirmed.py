from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("alerts", "0003_addresses_confirmed")]

    operations = [
        migrations.AddConstraint(
            model_name='alertchannel',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind', 'email'), ('state', 'active'), _negated=True), ('account__isnull', True), ('sealed_address', ''), ('confirmed_at__isnull', False), _connector='OR'), name='alert_channel_email_confirmed'),
        ),
    ]
