"""Plan versions on their way to everybody who is subscribed."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from subscriptions.models.plans import PlanVersion, SubscriptionPlan


class VersionRollout(models.Model):
    """Staff's wish to give all present subscribers of a plan a version at once; the row is the queue.

    `applied` counts those who have got it; `finished_at` is set once nobody is left.
    """

    plan = models.ForeignKey(SubscriptionPlan, on_delete=models.PROTECT, related_name="rollouts")
    version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="rollouts")
    requested_at = models.DateTimeField()
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=300, blank=True, default="")
    wanted = models.PositiveIntegerField(help_text="Subscribers to give it to when it was requested.")
    applied = models.PositiveIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "plan_version_rollouts"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["plan"], condition=Q(finished_at__isnull=True), name="version_rollout_one_running"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version} to {self.wanted} subscribers"
