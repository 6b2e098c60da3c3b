"""What was invoiced, credited and noted stays as it was, by whatever route somebody comes."""

from django.db import migrations

PROTECT = """
CREATE FUNCTION refuse_change_of_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moving text[] := ARRAY['state', 'amount_credited', 'amount_paid', 'paid_at', 'ended_at'];
BEGIN
    IF OLD.number IS NULL AND TG_OP = 'UPDATE' THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' OR (to_jsonb(OLD) - moving) IS DISTINCT FROM (to_jsonb(NEW) - moving) THEN
        RAISE EXCEPTION 'an invoice stays as it was written: correct it by a credit note or on the next one'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER invoices_stay BEFORE UPDATE OR DELETE ON billing_history
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_invoice();

CREATE FUNCTION refuse_change_of_invoice_line() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM billing_history invoice
        WHERE invoice.number IS NOT NULL
          AND invoice.id IN (
              CASE WHEN TG_OP <> 'INSERT' THEN OLD.invoice_id END,
              CASE WHEN TG_OP <> 'DELETE' THEN NEW.invoice_id END
          )
    ) THEN
        RAISE EXCEPTION 'an invoice stays as it was written: correct it by a credit note or on the next one'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER invoice_lines_stay BEFORE INSERT OR UPDATE OR DELETE ON billing_history_lines
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_invoice_line();

CREATE FUNCTION refuse_change_of_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER credit_ledger_stays BEFORE UPDATE OR DELETE ON credit_entries
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_ledger();
CREATE TRIGGER invoice_events_stay BEFORE UPDATE OR DELETE ON billing_history_events
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_ledger();

CREATE FUNCTION refuse_change_of_credit_note() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moving text[] := ARRAY['stripe_credit_note_id', 'stripe_refund_id', 'refund_status',
                           'push_at', 'push_claimed_until', 'push_attempts', 'push_error'];
BEGIN
    IF TG_OP = 'DELETE' OR (to_jsonb(OLD) - moving) IS DISTINCT FROM (to_jsonb(NEW) - moving) THEN
        RAISE EXCEPTION 'a credit note stays as it was written' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER credit_notes_stay BEFORE UPDATE OR DELETE ON credit_notes
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_credit_note();
"""
RELEASE = """
DROP TRIGGER credit_notes_stay ON credit_notes;
DROP FUNCTION refuse_change_of_credit_note();
DROP TRIGGER invoice_events_stay ON billing_history_events;
DROP TRIGGER credit_ledger_stays ON credit_entries;
DROP FUNCTION refuse_change_of_ledger();
DROP TRIGGER invoice_lines_stay ON billing_history_lines;
DROP FUNCTION refuse_change_of_invoice_line();
DROP TRIGGER invoices_stay ON billing_history;
DROP FUNCTION refuse_change_of_invoice();
"""


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0004_invoices")]

    operations = [migrations.RunSQL(PROTECT, RELEASE)]
