"""The alert settings: thresholds, which rules by which channels, members' emails, and the channels."""

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from alerts import adding, choices, destinations, preferences
from alerts.channels import CHANNELS
from alerts.channels.base import Channel
from alerts.choices import LimitThresholds, MemberEmails
from alerts.core.rules import Audience, Rule, chosen_among
from alerts.models import AlertChannel, ConfirmationMail, EmailMode
from alerts.preferences import Wishes
from alwrity_billing.dashboard.addresses import page_url
from alwrity_billing.dashboard.alert_forms import OF_PLAN, OWN, ChannelForm, ThresholdsForm, refuse
from alwrity_billing.dashboard.visits import Visit, account_page
from usage.core.errors import InvalidRequest, NotFound

MOST_MEMBERS = 50


@dataclass(frozen=True, slots=True)
class Wanted:
    """A rule, and by which kinds of channels its alerts go out."""

    rule: Rule
    kinds: list[tuple[Channel, bool]]


@dataclass(frozen=True, slots=True)
class OwnRule:
    """A rule, whether the person wants emails of it, and whether the account sends any."""

    rule: Rule
    is_wanted: bool
    is_told: bool


@dataclass(frozen=True, slots=True)
class ShownChannel:
    """A channel, what can be done with it, and the last mail that asked its owner."""

    row: AlertChannel
    mail: ConfirmationMail | None = None

    @property
    def is_built_in(self) -> bool:
        return not destinations.has_address(self.row)

    @property
    def is_of_members(self) -> bool:
        return destinations.is_of_members(self.row)

    @property
    def is_signed(self) -> bool:
        return CHANNELS[self.row.kind].is_signed

    @property
    def is_instant(self) -> bool:
        return CHANNELS[self.row.kind].is_instant


@require_safe
@account_page
def settings(request: HttpRequest, visit: Visit) -> HttpResponse:
    """All that can be chosen about the account's alerts."""
    return show(request, visit)


@require_POST
@account_page
def choose_thresholds(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Let people be told of limits at other percentages."""
    visit.require_change()
    form = ThresholdsForm(request.POST)
    if form.is_valid():
        own = form.cleaned_data["limit_thresholds"] if form.cleaned_data["whose"] == OWN else None
        try:
            preferences.choose_limit_thresholds(visit.account, own, at=visit.at)
        except InvalidRequest as error:
            refuse(form, error)
    if not form.is_valid():
        return show(request, visit, thresholds=form)
    return _saved(request, "The thresholds are saved. They count from the next alert on.")


@require_POST
@account_page
def choose_rules(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Let the account be told of each rule by the channels that are ticked."""
    visit.require_change()
    wanted = {rule.key: request.POST.getlist(f"rules.{rule.key}") for rule in chosen_among(Audience.CUSTOMER)}
    preferences.mute(visit.account, wanted)
    return _saved(request, "What goes where is saved. It counts from the next alert on.")


@require_POST
@account_page
def choose_emails(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Let members get their emails in another way: oneself always, others for those who may change."""
    modes = _modes(request)
    known = {str(each.member.pk): each for each in _members(visit)}
    if not modes.keys() <= known.keys():
        raise NotFound("There is no such member.", code="member_unknown")
    changed = [(known[pk], mode) for pk, mode in modes.items() if known[pk].mode != mode]
    if not all(_is_own(visit, emails) for emails, _ in changed):
        visit.require_change()
    for emails, mode in changed:
        preferences.choose_email(emails.member, mode, at=visit.at)
    return _saved(request, "The emails are saved.")


@require_POST
@account_page
def choose_own_rules(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Let the person themselves get emails about the rules that are ticked."""
    own = _own(visit, _members(visit))
    if own is None:
        raise NotFound("You are not a member of this account.", code="member_unknown")
    preferences.choose_rules(own.member, request.POST.getlist("rules"))
    return _saved(request, "Your emails are saved. They count from the next alert on.")


def show(
    request: HttpRequest,
    visit: Visit,
    *,
    thresholds: ThresholdsForm | None = None,
    channel: ChannelForm | None = None,
) -> HttpResponse:
    """The page, with a form that was refused and what was entered in it."""
    found = choices.limit_thresholds(visit.account, visit.subscription)
    channels = destinations.all_of(visit.account, at=visit.at)
    mails = adding.last_mails(visit.account)
    wishes, members = preferences.wishes_of(visit.account), _members(visit)
    context = {
        **visit.frame(),
        "thresholds": _thresholds_form(found) if thresholds is None else thresholds,
        "thresholds_of_plan": found.of_plan,
        "thresholds_in_force": found.of_plan if found.own is None else found.own,
        "kinds": choices.kinds(),
        "wanted": _wanted(wishes),
        "own_rules": _own_rules(_own(visit, members), wishes),
        "members": [(each, _is_own(visit, each)) for each in members],
        "most_members": MOST_MEMBERS,
        "modes": EmailMode.choices,
        "channels": sorted(
            (ShownChannel(each, mails.get(each.pk)) for each in channels if each.kind in CHANNELS),
            key=lambda each: not each.is_built_in,
        ),
        "channel_form": ChannelForm() if channel is None else channel,
    }
    return render(request, "dashboard/alerts/settings.html", context)


def _thresholds_form(found: LimitThresholds) -> ThresholdsForm:
    in_force = found.of_plan if found.own is None else found.own
    return ThresholdsForm(
        initial={
            "whose": OF_PLAN if found.own is None else OWN,
            "limit_thresholds": ", ".join(map(str, in_force)),
        }
    )


def _wanted(wishes: Wishes) -> list[Wanted]:
    return [
        Wanted(rule, [(kind, not wishes.is_muted(rule.key, kind.key)) for kind in choices.kinds()])
        for rule in chosen_among(Audience.CUSTOMER)
    ]


def _own_rules(own: MemberEmails | None, wishes: Wishes) -> list[OwnRule]:
    """None for somebody who is no member, such as our staff."""
    if own is None:
        return []
    return [
        OwnRule(rule, rule.key not in own.muted, not wishes.is_muted(rule.key, preferences.BY_EMAIL))
        for rule in chosen_among(Audience.CUSTOMER)
    ]


def _own(visit: Visit, members: list[MemberEmails]) -> MemberEmails | None:
    return next((each for each in members if _is_own(visit, each)), None)


def _members(visit: Visit) -> list[MemberEmails]:
    return choices.member_emails(visit.account, at_most=MOST_MEMBERS, user=visit.principal.user)


def _is_own(visit: Visit, emails: MemberEmails) -> bool:
    return visit.principal.user is not None and emails.member.user_id == visit.principal.user.pk


def _modes(request: HttpRequest) -> dict[str, EmailMode]:
    """The mode that was chosen for each member, by their id. Raises InvalidRequest."""
    chosen = {}
    for name, mode in request.POST.items():
        if name.startswith("email."):
            if mode not in EmailMode.values:
                raise InvalidRequest(
                    f"{name}: give one of {', '.join(EmailMode.values)}.", details={"field": name}
                )
            chosen[name.removeprefix("email.")] = EmailMode(str(mode))
    return chosen


def _saved(request: HttpRequest, told: str) -> HttpResponse:
    messages.success(request, told)
    return redirect(page_url(request, "alert_settings"))
