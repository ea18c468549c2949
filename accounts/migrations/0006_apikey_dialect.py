from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0005_tenant_webhook_secret'),
    ]

    operations = [
        migrations.AddField(
            model_name='apikey',
            name='dialect',
            field=models.CharField(choices=[('native', 'Native'), ('whatomate', 'Whatomate'), ('sessions', 'Sessions')], default='native', help_text='The API that the key opens.', max_length=10),
        ),
    ]
