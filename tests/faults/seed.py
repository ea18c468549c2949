"""Fill the template database: two tenants, live numbers, a live and a test key each, Meta's app."""

import json
import os
import sys

import django


def main() -> None:
    django.setup()
    from accounts import keys, tenants  # noqa: PLC0415 -- after the setup
    from accounts.models import ApiKey, BusinessAccount, MetaApp, PhoneNumber  # noqa: PLC0415 -- as above

    app = MetaApp(app_id="700000000001", name="The platform's app")
    app.secret, app.verify_token = os.environ["FAULTS_APP_SECRET"], "verify-me"
    app.save()
    made = []
    for place, name in enumerate(("Acme", "Globex")):
        tenant = tenants.open_tenant(name=name)
        tenant.requests_per_second, tenant.requests_per_day = 5000, 10_000_000
        tenant.save()
        account = BusinessAccount(
            tenant=tenant,
            customer=tenant.customers.get(is_default=True),
            waba_id=f"10229012934000{place}",
            display_name=name,
            status=BusinessAccount.Status.ACTIVE,
        )
        account.access_token = "EAA-made-up-token"
        account.save()
        lines = [
            PhoneNumber.objects.create(
                tenant=tenant,
                business_account=account,
                phone_number_id=f"1065403522400{place}{index:02d}",
                display_phone_number=f"+1 555 {place}{index:02d} 0100",
                display_phone_number_normalized=f"1555{place}{index:02d}0100",
                status=PhoneNumber.Status.ACTIVE,
                quality_rating=PhoneNumber.Quality.GREEN,
                window_policy=PhoneNumber.WindowPolicy.DEFER,
            ).phone_number_id
            for index in range(8)
        ]
        sandbox = tenants.add_sandbox(tenant=tenant)
        made.append(
            {
                "tenant": tenant.pk,
                "waba_id": account.waba_id,
                "numbers": lines,
                "sandbox_number": sandbox.phone_number_id,
                "key": keys.mint(tenant=tenant, label="live", environment=ApiKey.Environment.LIVE)[1],
                "other_key": keys.mint(tenant=tenant, label="other", environment=ApiKey.Environment.LIVE)[1],
                "test_key": keys.mint(tenant=tenant, label="test", environment=ApiKey.Environment.TEST)[1],
            }
        )
    json.dump(made, sys.stdout)


if __name__ == "__main__":
    main()
