"""Published versions with their parts, and the history of subscriptions, cannot be changed, by whatever route."""

from django.db import migrations

PROTECT = """
CREATE FUNCTION refuse_change_of_published_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.published_at IS NOT NULL THEN
        RAISE EXCEPTION 'a published plan version stays as it was sold: make a new version instead'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER published_versions_stay BEFORE UPDATE OR DELETE ON plan_versions
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_published_version();

-- Limits and surcharges are added before a version is published, in the same transaction at the latest.
CREATE FUNCTION refuse_change_of_published_part() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM plan_versions version
        WHERE version.published_at IS NOT NULL
          AND version.id IN (
              CASE WHEN TG_OP <> 'INSERT' THEN OLD.version_id END,
              CASE WHEN TG_OP <> 'DELETE' THEN NEW.version_id END
          )
    ) THEN
        RAISE EXCEPTION 'a published plan version stays as it was sold: make a new version instead'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER published_limits_stay BEFORE INSERT OR UPDATE OR DELETE ON plan_limits
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_published_part();
CREATE TRIGGER published_surcharges_stay BEFORE INSERT OR UPDATE OR DELETE ON plan_surcharges
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_published_part();

CREATE FUNCTION refuse_change_of_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the history of subscriptions is append-only' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER subscription_history_stays BEFORE UPDATE OR DELETE ON subscription_changes
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_history();
"""
RELEASE = """
DROP TRIGGER subscription_history_stays ON subscription_changes;
DROP FUNCTION refuse_change_of_history();
DROP TRIGGER published_surcharges_stay ON plan_surcharges;
DROP TRIGGER published_limits_stay ON plan_limits;
DROP FUNCTION refuse_change_of_published_part();
DROP TRIGGER published_versions_stay ON plan_versions;
DROP FUNCTION refuse_change_of_published_version();
"""


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0001_plans_and_subscriptions")]

    operations = [migrations.RunSQL(PROTECT, RELEASE)]
