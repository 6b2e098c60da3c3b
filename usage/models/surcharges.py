"""What an account's terms add to the cost of calls of some request types."""

from django.db import models
from django.db.models import Q

from usage.core.money import PRICE_PLACES


class Surcharge(models.Model):
    """What one call of a request type costs the account beside its price; zeros end it. Append-only, written
    through `usage.surcharges` only.

    Valid for calls that happened from `effective_from` until the next row of the same request type.
    """

    account = models.ForeignKey("usage.Account", on_delete=models.CASCADE, related_name="surcharges")
    request_type = models.CharField(max_length=64, db_collation="C")
    effective_from = models.DateTimeField()
    per_request = models.DecimalField(max_digits=16, decimal_places=PRICE_PLACES, default=0)
    per_hour = models.DecimalField(
        max_digits=16,
        decimal_places=PRICE_PLACES,
        default=0,
        help_text="USD for each hour of the seconds that the call consumed, in proportion.",
    )

    class Meta:
        db_table = "account_surcharges"
        ordering = ["account", "request_type", "effective_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "request_type", "effective_from"], name="surcharge_once_per_instant"
            ),
            models.CheckConstraint(
                condition=Q(per_request__gte=0, per_hour__gte=0), name="surcharge_not_negative"
            ),
            models.CheckConstraint(condition=~Q(request_type=""), name="surcharge_of_some_request_type"),
        ]

    def __str__(self) -> str:
        return f"{self.request_type} from {self.effective_from:%Y-%m-%d %H:%M}"
