"""Addresses of the settings, and of the page on which invited people join."""

from django.urls import path, re_path

from alwrity_billing.dashboard import (
    joining,
    settings_budget,
    settings_invitations,
    settings_keys,
    settings_members,
    settings_teams,
)

ID = "[0-9]{1,18}"
PREFIX = "[0-9A-Za-z]{1,8}"

urlpatterns = [
    path("settings/", settings_members.members, name="settings"),
    re_path(
        rf"^settings/members/(?P<member_id>{ID})/role/$", settings_members.change_role, name="member_role"
    ),
    re_path(
        rf"^settings/members/(?P<member_id>{ID})/remove/$", settings_members.remove, name="member_remove"
    ),
    path("settings/leave/", settings_members.leave, name="member_leave"),
    path("settings/invitations/", settings_invitations.invite, name="invite"),
    re_path(
        rf"^settings/invitations/(?P<invitation_id>{ID})/again/$",
        settings_invitations.send_again,
        name="invitation_again",
    ),
    re_path(
        rf"^settings/invitations/(?P<invitation_id>{ID})/withdraw/$",
        settings_invitations.withdraw,
        name="invitation_withdraw",
    ),
    path("settings/keys/", settings_keys.keys, name="settings_keys"),
    re_path(rf"^settings/keys/(?P<prefix>{PREFIX})/rotate/$", settings_keys.rotate, name="key_rotate"),
    re_path(rf"^settings/keys/(?P<prefix>{PREFIX})/revoke/$", settings_keys.revoke, name="key_revoke"),
    path("settings/budget/", settings_budget.budget, name="settings_budget"),
    path("settings/budget/pause/", settings_budget.pause, name="budget_pause"),
    path("settings/budget/resume/", settings_budget.resume, name="budget_resume"),
    path("settings/teams/", settings_teams.teams, name="settings_teams"),
    path("join/<str:token>/", joining.join, name="join"),
]
