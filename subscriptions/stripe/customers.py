"""Accounts as Stripe's customers: one each, with the name and address that invoices go to."""

from datetime import datetime

from subscriptions.models import BillingProfile
from subscriptions.stripe import client, rows
from usage.models import Account, Member, Role


def profile_of(account: Account, *, at: datetime) -> BillingProfile:
    """The account's profile, made of what is known of the account where there is none."""
    known = BillingProfile.objects.filter(account=account).first()
    if known is not None:
        return known
    owner = (
        Member.objects.filter(account=account, role=Role.OWNER).select_related("user").order_by("pk").first()
    )
    defaults = {"name": account.name, "email": owner.user.email if owner else "", "updated_at": at}
    made, _ = BillingProfile.objects.get_or_create(account=account, defaults=defaults)
    return made


def ensured(account: Account, *, at: datetime) -> BillingProfile:
    """The account's profile, whose customer is there at Stripe."""
    profile = profile_of(account, at=at)
    if profile.stripe_customer_id:
        return profile
    with rows.asking(profile, at=at):
        customer_id = _known(profile, at=at) or client.create_customer(
            account_id=account.pk,
            external_id=account.external_id,
            key=profile.push_key("customer", account.pk),
        )
    # Who is invoiced is told in a call of its own, which can be repeated with other words.
    new = BillingProfile.objects.filter(pk=profile.pk, stripe_customer_id__isnull=True)
    new.update(stripe_customer_id=customer_id, push_at=at)
    profile.refresh_from_db()
    return profile


def push(profile: BillingProfile, *, at: datetime) -> None:
    """Let Stripe know who is invoiced."""
    profile = ensured(profile.account, at=at)
    client.update_customer(
        profile.stripe_customer_id or "",
        name=profile.name,
        email=profile.email,
        address=profile.address,
        tax_id=profile.tax_id,
    )


def forget(profile: BillingProfile, *, at: datetime) -> None:
    """The customer was deleted at Stripe, and the card with it: the next push makes another."""
    BillingProfile.objects.filter(pk=profile.pk, stripe_customer_id=profile.stripe_customer_id).update(
        stripe_customer_id=None,
        payment_method_id="",
        card_brand="",
        card_last4="",
        card_exp_month=None,
        card_exp_year=None,
        push_began_at=None,
        push_key_turn=profile.push_key_turn + 1,
        updated_at=at,
    )


def _known(profile: BillingProfile, *, at: datetime) -> str | None:
    if profile.push_began_at is None or not rows.may_be_known(profile, at=at):
        return None
    return client.find_customer(account_id=profile.pk, since=profile.push_began_at - rows.LEASE)
