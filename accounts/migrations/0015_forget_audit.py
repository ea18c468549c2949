"""The audit trail may be forgotten when it is old."""

from django.db import migrations

REFUSE_WHAT_IS_YOUNG = """
CREATE OR REPLACE FUNCTION accounts_refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.at < statement_timestamp() - interval '90 days' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit trail is only ever added to';
END $$;
"""
REFUSE_ALL = """
CREATE OR REPLACE FUNCTION accounts_refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is only ever added to';
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0014_search_the_trail")]

    operations = [migrations.RunSQL(REFUSE_WHAT_IS_YOUNG, REFUSE_ALL)]
