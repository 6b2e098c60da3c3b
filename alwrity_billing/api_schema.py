"""How the schema of the API is told: drf-spectacular's settings."""

SPECTACULAR_SETTINGS = {
    "TITLE": "ALwrity Billing",
    "VERSION": "0.1.0",
    "DESCRIPTION": "Meter AI API calls, read usage and exact cost.",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "AlertChannelStateEnum": "alerts.models.ChannelState",
        "AlertChannelSwitchEnum": "alerts.api.choices.SWITCHES",
        "AlertDeliveryStateEnum": "alerts.models.DeliveryState",
        "AlertEmailModeEnum": "alerts.models.EmailMode",
        "BillingCycleEnum": "subscriptions.models.CycleChoices",
        "CreditEntryKindEnum": "subscriptions.models.CreditEntryKind",
        "CreditKindEnum": "subscriptions.models.CreditKind",
        "CreditNoteKindEnum": "subscriptions.models.CreditNoteKind",
        "InvoiceLineKindEnum": "subscriptions.models.LineKindChoices",
        "InvoiceStateEnum": "subscriptions.api.invoices.FINAL_STATES",
        "PaymentStateEnum": "subscriptions.models.PaymentState",
        "RecommendationConfidenceEnum": "subscriptions.models.ConfidenceChoices",
        "RecommendationKindEnum": "subscriptions.models.RecommendationKind",
        "SubscriptionStatusEnum": "subscriptions.api.subscription.STATUSES",
        "TierEnum": "subscriptions.models.Tier",
        "TransactionKindEnum": "subscriptions.api.transactions.KINDS",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "alwrity_billing.api.schema.complete_schema",
    ],
}
