"""Google Gemini through generativelanguage.googleapis.com."""

from usage.providers.base import Provider

PROVIDER = Provider(
    key="gemini",
    name="Google Gemini",
    kind="llm",
    hosts=("generativelanguage.googleapis.com",),
    aliases=frozenset({"google", "gcp.gemini", "gcp.gen_ai", "google-genai"}),
    price_list="google",
    model_prefixes=("models/", "gemini/", "google/"),
)
